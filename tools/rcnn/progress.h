#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rcnn::tools {

/// Says on stderr how far something is. On a terminal it is a line that changes; elsewhere, as in the log of
/// a cluster's job, a line of its own now and then.
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPeriod = std::chrono::minutes(1);

  /// `period` is the time between lines where stderr is no terminal; without one there are none, for a caller
  /// that says there itself how far it is.
  explicit ProgressLine(std::string what, std::optional<std::chrono::milliseconds> period = kPeriod);
  ~ProgressLine();  ///< clears it
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// `note` comes after the numbers.
  void show(int64_t done, int64_t total, std::string_view note = {}) const;

  /// Makes room for another line; the next show() brings it back.
  void clear() const;

 private:
  void show_elsewhere(int64_t done, int64_t total, std::string_view note) const;

  std::string what_;
  std::optional<std::chrono::milliseconds> period_;
  bool on_terminal_;
  mutable Clock::time_point said_ = Clock::now();
};

}  // namespace rcnn::tools
