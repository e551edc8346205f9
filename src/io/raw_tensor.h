#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>

#include "io/files/mapped_file.h"

namespace rcnn::io {

/// The bytes of a contiguous tensor; none when they, its strides or its number of elements do not fit int64.
std::optional<uint64_t> count_bytes(at::IntArrayRef shape, at::ScalarType type);

/// The tensor whose data are `bytes`, of which there are count_bytes(shape, type). It lies in `memory` and
/// keeps it, except where the bytes do not, or are not aligned for their type: then it is a copy. Throws
/// Refusal for a bool that is neither 0 nor 1, which the compiler takes for impossible.
at::Tensor tensor_of(const Memory& memory, std::string_view bytes, at::IntArrayRef shape,
                     at::ScalarType type);

}  // namespace rcnn::io
