// How far a command is, where stderr is no terminal.

#include "tools/rcnn/progress.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace rcnn::tools {
namespace {

using std::chrono::milliseconds;

/// What is said of ten steps of 10 ms and more each, and the time that they took.
struct Said {
  std::string lines;
  ProgressLine::Clock::duration time;
};
Said said(std::optional<milliseconds> period) {
  const auto begin = ProgressLine::Clock::now();
  testing::internal::CaptureStderr();
  {
    const ProgressLine line("proposing", period);
    for (int i = 1; i <= 10; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
      line.show(i, 10, "  2.50 images a second");
    }
  }
  return {testing::internal::GetCapturedStderr(), ProgressLine::Clock::now() - begin};
}

TEST(ProgressLine, IsALineNowAndThenInALog) {
  const auto [lines, time] = said(milliseconds(40));
  const auto count = std::ranges::count(lines, '\n');
  EXPECT_GE(count, 1);
  EXPECT_LE(count, time / milliseconds(40));
  const std::string begin = "proposing: ", end = " of 10  2.50 images a second\n";
  EXPECT_TRUE(lines.starts_with(begin)) << lines;
  EXPECT_TRUE(lines.ends_with(end)) << lines;
  EXPECT_EQ(lines.find('\r'), lines.npos);
}

TEST(ProgressLine, SaysNothingThereOfShortWorkNorWhereItsCallerSpeaks) {
  EXPECT_EQ(said(ProgressLine::kPeriod).lines, "");
  EXPECT_EQ(said(std::nullopt).lines, "");
}

}  // namespace
}  // namespace rcnn::tools
