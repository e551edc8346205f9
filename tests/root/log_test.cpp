#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <rcnn/error.h>
#include <rcnn/log.h>

namespace rcnn::log {
namespace {

namespace fs = std::filesystem;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  LogTest() { fs::create_directories(folder_); }
  ~LogTest() override { fs::remove_all(folder_); }

  const fs::path folder_ = fs::path(testing::TempDir()) / ("rcnn_log_test." + std::to_string(getpid()));
};

std::vector<std::string> lines_in(const fs::path& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_F(LogTest, MessagesArePlainLinesOnStderrAlone) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  info("epoch 1 of 12, {} and %s");
  warn("image 7 has no boxes");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "epoch 1 of 12, {} and %s\nwarning: image 7 has no boxes\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST_F(LogTest, AFileGetsWhatFollowsWithItsTime) {
  std::ofstream(folder_ / "log.txt") << "an earlier run\n";
  testing::internal::CaptureStderr();
  info("before");
  also_to(folder_ / "log.txt");
  info("after");
  warn("careful");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "before\nafter\nwarning: careful\n");
  EXPECT_THAT(lines_in(folder_ / "log.txt"),
              testing::ElementsAre("an earlier run", MatchesRegex("[0-9-]+ [0-9:.]+ after"),
                                   MatchesRegex("[0-9-]+ [0-9:.]+ warning: careful")));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnError) {
  EXPECT_THROW(also_to(folder_), DataError);
  std::ofstream(folder_ / "file");
  EXPECT_THROW(also_to(folder_ / "file" / "log.txt"), DataError);
}

TEST_F(LogTest, LinesOfThreadsStayWhole) {
  testing::internal::CaptureStderr();
  also_to(folder_ / "log.txt");
  std::vector<std::thread> threads;
  std::multiset<std::string> expected;
  for (int t = 0; t < 4; ++t) {
    const std::string line(200, static_cast<char>('a' + t));
    for (int i = 0; i < 100; ++i) expected.insert(line);
    threads.emplace_back([line] {
      for (int i = 0; i < 100; ++i) info(line);
    });
  }
  for (auto& thread : threads) thread.join();
  testing::internal::GetCapturedStderr();
  std::multiset<std::string> found;
  for (const auto& line : lines_in(folder_ / "log.txt")) found.insert(line.substr(line.rfind(' ') + 1));
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace rcnn::log
