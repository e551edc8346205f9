#pragma once

#include <cstddef>

namespace rcnn::tools {

inline constexpr size_t kLongestRequest = 100'000;  ///< bytes

/// A request is a message of texts, each behind the letter of what it is and before a '\0'.
enum class RequestPart : char {
  argument = 'A',
  variable = 'V',  ///< NAME=value
  folder = 'F',    ///< where it runs
  streams = 'S',   ///< three digits: which of stdin, stdout and stderr are open, and come with the message
};

}  // namespace rcnn::tools
