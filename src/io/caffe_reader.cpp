#include "io/caffe_reader.h"

#include <algorithm>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <spdlog/fmt/fmt.h>

#include "io/caffe/caffe_net.h"

namespace rcnn::io {

WeightFile read_caffe(const Memory& file) {
  const auto net = caffe::read_net(file.view());
  WeightFile weights;
  weights.format = WeightFile::Format::caffemodel;
  if (!net.name.empty()) weights.metadata.emplace("name", net.name);
  for (const auto& blob : net.blobs) {
    const auto options = at::TensorOptions().dtype(blob.is_double ? at::kDouble : at::kFloat);
    const bool empty = std::ranges::count(blob.shape, 0) > 0;
    weights.tensors.emplace(
        fmt::format("{}.blobs.{}", blob.layer, blob.number),
        empty ? at::empty(blob.shape, options)
              : at::from_blob(
                    blob.values.get(), blob.shape, [owner = blob.values](void*) {}, options));
  }
  return weights;
}

}  // namespace rcnn::io
