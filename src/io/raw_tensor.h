#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include "io/element_types.h"
#include "io/files/mapped_file.h"

namespace rcnn::io {

/// The bytes of a contiguous tensor; none when they, its strides or its number of elements do not fit int64.
std::optional<uint64_t> count_bytes(at::IntArrayRef shape, at::ScalarType type);

/// The tensor whose data are `bytes`, of which there are count_bytes(shape, type). It lies in `memory` and
/// keeps it, except where the bytes do not, or are not aligned for their type: then it is a copy. Throws
/// Refusal for a bool that is neither 0 nor 1, which the compiler takes for impossible.
at::Tensor tensor_of(const Memory& memory, std::string_view bytes, at::IntArrayRef shape,
                     at::ScalarType type);

/// Throws WeightsError for what a file cannot hold: a name that is not UTF-8, or a tensor of a type
/// that has no name there.
void check_writable(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                    NameOfType which);

/// The bytes of all values: what a file of them takes at least.
uint64_t total_bytes(const std::map<std::string, at::Tensor>& tensors);

/// A tensor's values where they can be written from: contiguous, on the CPU.
class WrittenTensor {
 public:
  explicit WrittenTensor(const at::Tensor& tensor) : tensor_(tensor.detach().cpu().contiguous()) {}

  std::string_view bytes() const {
    return {static_cast<const char*>(tensor_.const_data_ptr()), tensor_.nbytes()};
  }

 private:
  const at::Tensor tensor_;
};

}  // namespace rcnn::io
