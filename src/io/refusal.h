#pragma once

#include <stdexcept>

namespace rcnn::io {

/// Why a file is refused, in one line; the file's name is added where it is known.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace rcnn::io
