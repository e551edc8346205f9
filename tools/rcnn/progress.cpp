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

ProgressLine::ProgressLine(std::string what, std::optional<std::chrono::milliseconds> period)
    : what_(std::move(what)), period_(period), on_terminal_(isatty(STDERR_FILENO) == 1 && !is_dumb()) {}

ProgressLine::~ProgressLine() {
  clear();
}

void ProgressLine::clear() const {
  if (on_terminal_) std::cerr << kClearLine << std::flush;
}

void ProgressLine::show(int64_t done, int64_t total, std::string_view note) const {
  if (!on_terminal_) return show_elsewhere(done, total, note);
  constexpr int64_t kWidth = 30;
  const auto filled = total > 0 ? done * kWidth / total : kWidth;
  std::cerr << kClearLine
            << fmt::format("{} [{:#>{}}{:.>{}}] {}/{}{}", printable(what_), "", filled, "", kWidth - filled,
                           done, total, printable(note))
            << std::flush;
}

void ProgressLine::show_elsewhere(int64_t done, int64_t total, std::string_view note) const {
  const auto now = Clock::now();
  if (!period_ || now - said_ < *period_) return;
  said_ = now;
  std::cerr << fmt::format("{}: {} of {}{}\n", printable(what_), done, total, printable(note)) << std::flush;
}

}  // namespace rcnn::tools
