#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rcnn::tools {

/// A line on stderr that says how far something is, where stderr is a terminal; otherwise nothing.
class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  ~ProgressLine();  ///< clears it
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// `note` comes after the numbers.
  void show(int64_t done, int64_t total, std::string_view note = {}) const;

  /// Makes room for another line; the next show() brings it back.
  void clear() const;

 private:
  std::string what_;
  bool on_terminal_;
};

}  // namespace rcnn::tools
