#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rcnn/io/files/output_file.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class OutputFileTest : public testing::Test {
 protected:
  std::string refusal(const fs::path& file) const {
    return message_of<ConfigError>([&] { OutputFile("--output", file, file_ids(inputs_)); });
  }

  const TempFolder folder_;
  const fs::path input_ = folder_.write("data/input.json", "precious");
  const std::vector<fs::path> inputs_ = {input_, folder_.path() / "not there"};
  const fs::path file_ = folder_.path() / "page.html";
};

TEST_F(OutputFileTest, IsANewFileOrReplacesAPlainOneWithItsMode) {
  const OutputFile output("--output", file_, file_ids(inputs_));
  EXPECT_FALSE(fs::exists(file_));
  output.write("first");
  EXPECT_EQ(file_bytes(file_), "first");
  fs::permissions(file_, fs::perms(0600));
  output.write("second");
  EXPECT_EQ(file_bytes(file_), "second");
  EXPECT_EQ(fs::status(file_).permissions(), fs::perms(0600));
}

TEST_F(OutputFileTest, RefusesWhatIsNoPlainFile) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_EQ(refusal(file_), "--output " + file_.string() + ": is a pipe; name a file");
  EXPECT_THAT(refusal("/dev/null"), HasSubstr("/dev/null: is a device"));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("is a folder"));
  EXPECT_EQ(refusal(""), "--output: the name is empty; name a file");
  EXPECT_TRUE(fs::is_fifo(file_));

  const auto socket_file = folder_.path() / "socket";
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(socket_file.string().size(), sizeof address.sun_path);
  socket_file.string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(refusal(socket_file), HasSubstr("is a socket"));
  close(descriptor);
}

TEST_F(OutputFileTest, RefusesLinksWhereverTheyLead) {
  folder_.write("other", "mine");
  for (const char* target : {"other", "data/input.json", "nowhere", "/dev/null", "page.html"}) {
    fs::remove(file_);
    fs::create_symlink(target, file_);
    EXPECT_THAT(refusal(file_), HasSubstr("is a link")) << target;
    EXPECT_TRUE(fs::is_symlink(file_));
  }
  EXPECT_EQ(file_bytes(folder_.path() / "other"), "mine");
}

TEST_F(OutputFileTest, RefusesAnInputHoweverItIsSpelled) {
  fs::create_directory_symlink("data", folder_.path() / "linked");
  fs::create_hard_link(input_, folder_.path() / "hard.json");
  const auto before = fs::current_path();
  fs::current_path(folder_.path() / "data");
  for (const fs::path& spelled :
       {input_, fs::path("input.json"), fs::path("./input.json"), fs::path("../data//input.json"),
        folder_.path() / "linked/input.json", folder_.path() / "hard.json"}) {
    EXPECT_THAT(refusal(spelled),
                AllOf(StartsWith("--output " + spelled.string()), HasSubstr("is read by this")));
  }
  fs::current_path(before);
  // And an input that is a link is what it leads to.
  fs::create_symlink("data/input.json", folder_.path() / "link.json");
  EXPECT_THAT(message_of<ConfigError>([&] {
                OutputFile("--output", input_, file_ids(std::vector{folder_.path() / "link.json"}));
              }),
              HasSubstr("is read by this"));
  EXPECT_EQ(file_bytes(input_), "precious");
}

TEST_F(OutputFileTest, LooksAgainWhenItIsWritten) {
  const OutputFile output("--output", file_);
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT(message_of<ConfigError>([&] { output.write("x"); }), HasSubstr("is a pipe"));
  OutputFile later("--output", folder_.path() / "data/input.json");
  EXPECT_THROW(later.add_inputs(file_ids(inputs_)), ConfigError);
}

TEST_F(OutputFileTest, SaysWhatTheSystemSays) {
  EXPECT_EQ(refusal(folder_.path() / "none/page.html"),
            "--output " + (folder_.path() / "none/page.html").string() + ": there is no folder " +
                (folder_.path() / "none").string());
  EXPECT_THAT(message_of<DataError>([&] { OutputFile("--output", folder_.path() / std::string(300, 'x')); }),
              HasSubstr("File name too long"));
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  fs::permissions(input_, fs::perms(0400));
  EXPECT_THAT(message_of<DataError>([&] { OutputFile("--output", input_); }), HasSubstr("Permission denied"));
  fs::permissions(folder_.path() / "data", fs::perms(0500));
  EXPECT_THAT(message_of<DataError>([&] { OutputFile("--output", folder_.path() / "data/new"); }),
              HasSubstr("Permission denied"));
  fs::permissions(folder_.path() / "data", fs::perms(0700));
}

}  // namespace
}  // namespace rcnn::io
