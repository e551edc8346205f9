#pragma once

#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>

#include "io/files/mapped_file.h"
#include "io/pickle/pickle.h"

namespace rcnn::io {

/// Makes tensors of what a pickle says about them, once that is known to be possible.
class TensorReader {
 public:
  /// The bytes of a whole storage, wherever the file has them. Throws Refusal.
  using FindStorage = std::function<std::string_view(const pickle::Storage&)>;

  TensorReader(Memory file, FindStorage find_storage)
      : file_(std::move(file)), find_storage_(std::move(find_storage)) {}

  /// Whether this is a torch tensor or a numpy array or scalar.
  static bool is_tensor(const pickle::Value& value);

  /// Throws Refusal without the tensor's name.
  at::Tensor read(const pickle::Value& value);

 private:
  at::Tensor read(const pickle::Tensor& tensor);
  at::Tensor read(const pickle::Array& array);
  at::Tensor convert(const pickle::Array& array) const;
  at::Tensor whole_storage(const pickle::Storage& storage);

  const Memory file_;
  const FindStorage find_storage_;
  std::map<std::pair<std::string_view, at::ScalarType>, at::Tensor> storages_;  // verified once, then shared
  std::map<const pickle::Array*, at::Tensor> arrays_;
  size_t array_bytes_ = 0;
};

/// The element type of "torch.FloatStorage". Throws Refusal.
at::ScalarType element_type(std::string_view storage_type);

}  // namespace rcnn::io
