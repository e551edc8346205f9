#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rcnn/io/files/atomic_file.h>

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string text_in(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::string write_error(const fs::path& file, std::string_view content) {
  try {
    write_atomically(file, content);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() { fs::create_directories(folder_); }
  ~AtomicFileTest() override { fs::remove_all(folder_); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename());
    return names;
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / ("rcnn_atomic_file_test." + std::to_string(getpid()));
  const fs::path file_ = folder_ / "state";
};

/// Files cannot grow beyond `bytes` while this lives: what a full disk looks like to a program.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(AtomicFileTest, WritesThePiecesInOrderAndNothingElse) {
  const std::string zeros("\0\n\0", 3);
  const std::string_view pieces[] = {"first ", "", zeros, " last"};
  write_atomically(file_, pieces);
  EXPECT_EQ(text_in(file_), "first " + zeros + " last");
  write_atomically(file_, "shorter");
  EXPECT_EQ(text_in(file_), "shorter");
  write_atomically(file_, "");
  EXPECT_EQ(text_in(file_), "");
  EXPECT_THAT(names(), testing::ElementsAre("state"));
}

TEST_F(AtomicFileTest, WorksInTheCurrentFolder) {
  const auto before = fs::current_path();
  fs::current_path(folder_);
  write_atomically("state", "here");
  fs::current_path(before);
  EXPECT_EQ(text_in(file_), "here");
}

TEST_F(AtomicFileTest, AFullDiskLeavesTheOldContentAndNoRest) {
  write_atomically(file_, "old");
  const std::string content(1 << 20, 'x');
  for (const rlim_t limit : {0, 1, 4096, (1 << 20) - 1}) {
    const FileSizeLimit full(limit);
    EXPECT_THAT(write_error(file_, content), AllOf(HasSubstr(file_.string()), HasSubstr("File too large")))
        << limit;
  }
  EXPECT_EQ(text_in(file_), "old");
  EXPECT_THAT(names(), testing::ElementsAre("state"));
  const FileSizeLimit enough(1 << 20);
  EXPECT_EQ(write_error(file_, content), "no error");
}

TEST_F(AtomicFileTest, SaysWhyAFileCannotBeWritten) {
  EXPECT_EQ(write_error(folder_ / "none" / "state", "x"),
            "cannot create " + (folder_ / "none" / "state").string() + ": No such file or directory");
  write_atomically(file_, "a file");
  EXPECT_THAT(write_error(file_ / "state", "x"), HasSubstr("Not a directory"));
  EXPECT_THAT(write_error(folder_ / std::string(300, 'x'), "x"), HasSubstr("File name too long"));
}

TEST_F(AtomicFileTest, AFolderInThePlaceOfTheFileStays) {
  fs::create_directories(file_ / "inner");
  EXPECT_THAT(write_error(file_, "x"), HasSubstr("Is a directory"));
  EXPECT_TRUE(fs::exists(file_ / "inner"));
  EXPECT_THAT(names(), testing::ElementsAre("state"));
}

TEST_F(AtomicFileTest, TheModeOfTheOldFileStays) {
  write_atomically(file_, "old");
  for (const auto mode : {fs::perms(0600), fs::perms(0640), fs::perms(0666)}) {
    fs::permissions(file_, mode);
    write_atomically(file_, "new");
    EXPECT_EQ(fs::status(file_).permissions(), mode);
  }
}

TEST_F(AtomicFileTest, OnlyAPlainFileOrALinkIsReplaced) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT(write_error(file_, "x"), AllOf(HasSubstr(file_.string()), HasSubstr("is no file")));
  EXPECT_TRUE(fs::is_fifo(file_));
  fs::remove(file_);
  fs::create_symlink("/dev/null", file_);
  EXPECT_THAT(write_error(file_, "x"), HasSubstr("is no file"));
  EXPECT_TRUE(fs::is_symlink(file_));
  fs::remove(file_);

  write_atomically(folder_ / "elsewhere", "precious");
  fs::create_symlink("elsewhere", file_);
  write_atomically(file_, "new");
  EXPECT_EQ(text_in(folder_ / "elsewhere"), "precious");
  EXPECT_EQ(text_in(file_), "new");
}

TEST_F(AtomicFileTest, ANameAsLongAsTheSystemHasItIsWritten) {
  const auto file = folder_ / std::string(255, 'x');
  write_atomically(file, "x");
  EXPECT_EQ(text_in(file), "x");
}

TEST_F(AtomicFileTest, WhatAnotherProcessOfItsNumberLeftIsNotWrittenInto) {
  // Numbers count up from 0 in this process, so that the next names are among these.
  write_atomically(folder_ / "mine", "precious");
  for (int number = 0; number < 1000; ++number) {
    fs::create_symlink("mine",
                       folder_ / ("state.tmp." + std::to_string(getpid()) + "." + std::to_string(number)));
  }
  write_atomically(file_, "new");
  EXPECT_EQ(text_in(file_), "new");
  EXPECT_EQ(text_in(folder_ / "mine"), "precious");
}

TEST_F(AtomicFileTest, AReaderNeverSeesAMixture) {
  const std::string a(1 << 16, 'a');
  const std::string b(1 << 16, 'b');
  write_atomically(file_, a);
  std::vector<std::thread> writers;
  for (const auto* content : {&a, &b}) {
    writers.emplace_back([&, content] {
      for (int i = 0; i < 20; ++i) write_atomically(file_, *content);
    });
  }
  for (int i = 0; i < 100; ++i) {
    const auto text = text_in(file_);
    EXPECT_TRUE(text == a || text == b) << text.size();
  }
  for (auto& writer : writers) writer.join();
  EXPECT_THAT(names(), testing::ElementsAre("state"));
}

}  // namespace
}  // namespace rcnn::io
