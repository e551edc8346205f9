#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <rcnn/data/batch.h>

namespace rcnn::data {

// Plain copies: tensor operations would start a pool of threads under each of the loader's.
ImageBatch collate(std::span<const at::Tensor> images, int64_t pad_to) {
  TORCH_CHECK(!images.empty() && pad_to > 0, "collate: got ", images.size(), " images and pad_to ", pad_to);
  ImageBatch batch;
  int64_t height = 0, width = 0;
  for (const at::Tensor& image : images) {
    TORCH_CHECK(image.dim() == 3 && image.size(2) == 3 && image.scalar_type() == at::kByte && image.is_cpu(),
                "collate: an image must be uint8 [H, W, 3] on the CPU, got ", image.scalar_type(), " ",
                image.sizes());
    batch.sizes.push_back({image.size(0), image.size(1)});
    height = std::max(height, image.size(0));
    width = std::max(width, image.size(1));
  }
  const auto padded = [&](int64_t length) { return (length + pad_to - 1) / pad_to * pad_to; };
  height = padded(height);
  width = padded(width);

  batch.pixels = at::empty({std::ssize(images), height, width, 3}, at::kByte);
  auto* row = batch.pixels.data_ptr<uint8_t>();
  for (const at::Tensor& image : images) {
    const at::Tensor contiguous = image.contiguous();
    const auto* from = contiguous.data_ptr<uint8_t>();
    const auto used = static_cast<size_t>(image.size(1) * 3);
    const auto whole = static_cast<size_t>(width * 3);
    for (int64_t y = 0; y < height; ++y, row += whole) {
      const size_t filled = y < image.size(0) ? used : 0;
      std::memcpy(row, from, filled);
      std::memset(row + filled, 0, whole - filled);
      from += filled;
    }
  }
  return batch;
}

}  // namespace rcnn::data
