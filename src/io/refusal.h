#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <rcnn/printable.h>

namespace rcnn::io {

/// Why a file is refused, in one line; the file's name is added where it is known.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What a file says about itself, fit for such a line: printable, and of long ones the beginning.
inline std::string excerpt(std::string_view text) {
  constexpr size_t kLongest = 200;
  if (text.size() <= kLongest) return printable(text);
  size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // within a character
  return printable(text.substr(0, end)) + "...";
}

}  // namespace rcnn::io
