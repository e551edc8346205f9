#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rcnn::test {

// Protocol buffers by hand, for .caffemodel files of all formats and for damaged ones.

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

/// A text, a message or packed numbers.
inline std::string field(int number, std::string_view bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

inline std::string number_field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}

/// Caffe's formats of a network: of 2013, of 2014, and since.
enum class CaffeFormat { v0, v1, now };

/// A BlobProto: its sizes in four fields up to 2014, in one since; a double's values in a field of their own.
inline std::string caffe_blob(const at::Tensor& values, CaffeFormat format = CaffeFormat::now) {
  const auto plain = values.contiguous();
  const std::string_view data(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
  const auto content = field(plain.scalar_type() == at::kDouble ? 8 : 5, data);
  std::string sizes;
  if (format == CaffeFormat::now) {
    for (const int64_t size : plain.sizes()) sizes += varint(static_cast<uint64_t>(size));
    return content + field(7, field(1, sizes));
  }
  auto shape = plain.sizes().vec();
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  for (int i = 0; i < 4; ++i)
    sizes += number_field(i + 1, static_cast<uint64_t>(shape[static_cast<size_t>(i)]));
  return sizes + content;
}

/// A layer as a field of the network.
inline std::string caffe_layer(std::string_view name, const std::vector<at::Tensor>& blobs,
                               CaffeFormat format = CaffeFormat::now, std::string_view type = "Convolution") {
  const bool v0 = format == CaffeFormat::v0, v1 = format == CaffeFormat::v1;
  std::string layer = v1 ? field(3, "top") + field(4, name) : field(1, name) + field(2, type);
  for (const auto& blob : blobs) layer += field(v0 ? 50 : v1 ? 6 : 7, caffe_blob(blob, format));
  return v0 ? field(2, field(1, layer)) : field(v1 ? 2 : 100, layer);
}

}  // namespace rcnn::test
