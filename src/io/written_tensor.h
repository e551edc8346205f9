#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace rcnn::io {

/// Throws WeightsError for what a file cannot hold: a name that is not UTF-8, or a tensor of whose type
/// `name_of` (a function of element_types.h) knows no name.
void check_writable(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                    std::optional<std::string_view> (*name_of)(at::ScalarType));

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
