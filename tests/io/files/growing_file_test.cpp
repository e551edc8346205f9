#include "io/files/growing_file.h"

#include <csignal>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rcnn/io/files/atomic_file.h>

#include "tests/io/files/killing_files.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

class GrowingFileTest : public testing::Test {
 protected:
  std::string text() const { return file_bytes(file_); }
  const TempFolder folder_;
  const fs::path file_ = folder_.path() / "list.json";
};

TEST_F(GrowingFileTest, IsWholeAfterEachAddition) {
  GrowingFile file(file_, "[", "]\n");
  EXPECT_FALSE(fs::exists(file_));
  file.put_in_place();
  EXPECT_EQ(text(), "[]\n");
  file.append("\n1", "\n]\n");
  EXPECT_EQ(text(), "[\n1\n]\n");
  file.append(",\n2,\n3", "\n]\n");
  file.sync();
  EXPECT_EQ(text(), "[\n1,\n2,\n3\n]\n");
  EXPECT_THAT(names_in(folder_.path()), testing::ElementsAre("list.json"));
}

TEST_F(GrowingFileTest, AnOlderFileStaysUntilItIsPutInPlace) {
  folder_.write("list.json", "an earlier run");
  fs::permissions(file_, fs::perms(0600));
  {
    GrowingFile given_up(file_, "[", "]\n");
    given_up.append("1", "]\n");
  }
  EXPECT_EQ(text(), "an earlier run");
  EXPECT_THAT(names_in(folder_.path()), testing::ElementsAre("list.json"));
  GrowingFile file(file_, "[", "]\n");
  file.put_in_place();
  EXPECT_EQ(text(), "[]\n");
  EXPECT_EQ(fs::status(file_).permissions(), fs::perms(0600));
}

/// Takes so many bytes, and then no more.
class SmallDisk : public FileSystem {
 public:
  explicit SmallDisk(size_t room) : room_(room) {}
  ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) override {
    const auto start = static_cast<size_t>(position);
    if (start >= room_) return errno = ENOSPC, -1;
    return FileSystem::pwrite(descriptor, bytes, std::min(size, room_ - start), position);
  }

 private:
  const size_t room_;
};

TEST_F(GrowingFileTest, AFullDiskLeavesWhatWasThere) {
  const std::string first(50, 'a'), second(50, 'b');
  for (size_t room = 52; room < 102; ++room) {
    SmallDisk disk(room);
    GrowingFile file(file_, "", "]\n", disk);
    file.put_in_place();
    file.append(first, "]\n");
    EXPECT_THAT(message_of<WriteError>([&] { file.append(second, "]\n"); }), HasSubstr("No space left"));
    EXPECT_EQ(text(), first + "]\n") << room;
    file.append("", "]\n");
    EXPECT_EQ(text(), first + "]\n") << room;
  }
}

TEST_F(GrowingFileTest, KilledAtAnyOfItsCallsAProcessLeavesAWholeList) {
  size_t longest = 0;
  for (int call = 0; call < 30; ++call) {
    SCOPED_TRACE(testing::Message() << "call " << call);
    fs::remove(file_);
    EXPECT_TRUE(is_killed([&] {
      KillingFiles files(call);
      GrowingFile file(file_, "[", "]", files);
      file.put_in_place();
      for (;;) file.append("0123456789", "]");
    }));
    remove_temporaries(folder_.path());
    if (!fs::exists(file_)) {  // it was killed before
      EXPECT_EQ(longest, 0);
      continue;
    }
    std::string expected = "[";
    while (expected.size() + 1 < fs::file_size(file_)) expected += "0123456789";
    EXPECT_EQ(text(), expected + "]");
    EXPECT_GE(expected.size(), longest) << "what was added stays";
    longest = std::max(longest, expected.size());
  }
  EXPECT_GT(longest, 100);
}

TEST_F(GrowingFileTest, AKilledProcessLeavesAWholeListNightly) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  size_t longest = 0;
  for (int round = 0; round < 30; ++round) {
    fs::remove(file_);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        GrowingFile file(file_, "[", "]");
        file.put_in_place();
        for (;;) file.append("0123456789", "]");
      } catch (...) {
        _exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + random() % 20'000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    if (!fs::exists(file_)) continue;  // it was killed before
    std::string expected = "[";
    while (expected.size() + 1 < fs::file_size(file_)) expected += "0123456789";
    EXPECT_EQ(text(), expected + "]");
    longest = std::max(longest, expected.size());
  }
  EXPECT_GT(longest, 100);  // otherwise the moments were not those that matter
}

}  // namespace
}  // namespace rcnn::io
