#include "progress.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/printable.h>

namespace rcnn::tools {
namespace {

constexpr const char* kClearLine = "\r\x1b[K";

/// A terminal that cannot go back on its line.
bool is_dumb() {
  const char* terminal = std::getenv("TERM");
  return terminal && std::string_view(terminal) == "dumb";
}

}  // namespace

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)), on_terminal_(isatty(STDERR_FILENO) == 1 && !is_dumb()) {}

ProgressLine::~ProgressLine() {
  clear();
}

void ProgressLine::clear() const {
  if (on_terminal_) std::cerr << kClearLine << std::flush;
}

void ProgressLine::show(int64_t done, int64_t total, std::string_view note) const {
  if (!on_terminal_) return;
  constexpr int64_t kWidth = 30;
  const auto filled = total > 0 ? done * kWidth / total : kWidth;
  std::cerr << kClearLine
            << fmt::format("{} [{:#>{}}{:.>{}}] {}/{}{}", printable(what_), "", filled, "", kWidth - filled,
                           done, total, printable(note))
            << std::flush;
}

}  // namespace rcnn::tools
