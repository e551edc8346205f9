#include "progress.h"

#include <iostream>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

namespace rcnn::tools {
namespace {

constexpr const char* kClearLine = "\r\x1b[K";

}  // namespace

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)), on_terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (on_terminal_) std::cerr << kClearLine << std::flush;
}

void ProgressLine::show(int64_t done, int64_t total) const {
  if (!on_terminal_) return;
  constexpr int64_t kWidth = 30;
  const auto filled = total > 0 ? done * kWidth / total : kWidth;
  std::cerr << kClearLine
            << fmt::format("{} [{:#>{}}{:.>{}}] {}/{}", what_, "", filled, "", kWidth - filled, done, total)
            << std::flush;
}

}  // namespace rcnn::tools
