#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include <rcnn/io/weight_file.h>

#include "io/files/mapped_file.h"
#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::io {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// What every reader promises, whatever the bytes: names in UTF-8, and tensors that lie in memory that is
/// there, with no more of it than the file has.
inline void check(const std::map<std::string, at::Tensor>& tensors, size_t file_size) {
  for (const auto& [name, tensor] : tensors) {
    require(is_utf8(name) && tensor.defined());
    require(tensor.numel() == 0 || tensor.nbytes() <= file_size);
    if (tensor.numel() == 0) continue;
    int64_t last = 0;
    for (int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
    // LibTorch is not instrumented: AddressSanitizer sees what is read here.
    const volatile char* const data = static_cast<const char*>(tensor.const_data_ptr());
    static_cast<void>(data[0]);
    static_cast<void>(data[(last + 1) * static_cast<int64_t>(tensor.element_size()) - 1]);
  }
}

/// Both choices, whatever the bytes.
inline Averages averages_of(size_t size) {
  return size % 2 == 0 ? Averages::leave_out : Averages::take;
}

/// Gives the bytes to `read`, in memory of exactly their size; only a Refusal of one line may come of it.
template <class Read>
int fuzz(const uint8_t* data, size_t size, Read read) {
  if (size == 0) return 0;  // map_file refuses it
  const Memory memory{.bytes = {new char[size], std::default_delete<char[]>()}, .size = size};
  std::memcpy(memory.bytes.get(), data, size);
  try {
    check(read(memory).tensors, size);
  } catch (const Refusal& refusal) {
    require(std::strchr(refusal.what(), '\n') == nullptr);
  }
  return 0;
}

}  // namespace rcnn::io
