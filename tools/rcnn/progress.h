#pragma once

#include <cstdint>
#include <string>

namespace rcnn::tools {

/// A line on stderr that says how far something is, where stderr is a terminal; otherwise nothing.
class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  ~ProgressLine();  ///< clears it
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(int64_t done, int64_t total) const;

 private:
  std::string what_;
  bool on_terminal_;
};

}  // namespace rcnn::tools
