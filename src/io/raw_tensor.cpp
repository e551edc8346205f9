#include "io/raw_tensor.h"

#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::io {

std::optional<uint64_t> count_bytes(at::IntArrayRef shape, at::ScalarType type) {
  int64_t bytes = static_cast<int64_t>(at::elementSize(type));
  for (const int64_t size : shape) {
    // A size of 0 counts as 1 here: the strides must fit as well.
    if (size < 0 || __builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes)) return std::nullopt;
  }
  return std::count(shape.begin(), shape.end(), 0) ? 0 : bytes;
}

at::Tensor tensor_of(const Memory& memory, std::string_view bytes, at::IntArrayRef shape,
                     at::ScalarType type) {
  if (type == at::kBool && std::any_of(bytes.begin(), bytes.end(), [](char b) { return (b & ~1) != 0; })) {
    throw Refusal("a bool is neither 0 nor 1");
  }
  const auto options = at::TensorOptions().dtype(type);
  if (bytes.empty()) return at::empty(shape, options);
  const auto position =
      reinterpret_cast<uintptr_t>(bytes.data()) - reinterpret_cast<uintptr_t>(memory.bytes.get());
  const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % at::elementSize(type) == 0;
  if (position < memory.size && aligned) {
    char* const data = memory.bytes.get() + position;
    return at::from_blob(
        data, shape, [owner = memory.bytes](void*) {}, options);
  }
  const at::Tensor copy = at::empty(shape, options);
  std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
  return copy;
}

void check_writable(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                    NameOfType which) {
  for (const auto& [name, tensor] : tensors) {
    const auto refuse = [&, &name = name](const std::string& why) {
      throw WeightsError(
          fmt::format("{}: cannot be written: tensor {}: {}", file.string(), excerpt(name), why));
    };
    if (!is_utf8(name)) refuse("its name is not UTF-8");
    if (name_of(which, tensor.scalar_type())) continue;
    refuse(fmt::format("dtype {} is not supported by this format", at::toString(tensor.scalar_type())));
  }
}

uint64_t total_bytes(const std::map<std::string, at::Tensor>& tensors) {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.nbytes();
  return bytes;
}

}  // namespace rcnn::io
