#include <algorithm>

#include <torch/torch.h>

#include <rcnn/nn/pixels.h>

#include "nn/opencv_resize.h"
#include "nn/pillow_resize.h"
#include "nn/resize_pixels.h"
#include "ops/huge_pages.h"

namespace rcnn::nn {
namespace {

void read_channels(const config::Node& node, const char* key, std::array<double, 3>& value,
                   config::Range range) {
  std::vector<double> numbers(value.begin(), value.end());
  node.read(key, numbers, range);
  if (numbers.size() != value.size()) {
    throw node.error(key, "must be three numbers, one a channel in the order of `order`");
  }
  std::copy(numbers.begin(), numbers.end(), value.begin());
}

PixelScaling scaling_of(const PixelOptions& options) {
  PixelScaling scaling{.bgr = options.order == PixelOptions::Order::bgr, .scale = {}, .shift = {}};
  for (size_t channel = 0; channel < 3; ++channel) {
    scaling.scale[channel] = options.range / (255 * options.std[channel]);
    scaling.shift[channel] = -options.mean[channel] / options.std[channel];
  }
  return scaling;
}

/// The image as it is, or in its new size where bytes are resized.
at::Tensor resize_bytes(const at::Tensor& image, ImageSize size, Resize resize) {
  if (resize == Resize::torchvision || (image.size(0) == size.height && image.size(1) == size.width)) {
    return image;
  }
  const auto bytes = image.cpu().contiguous();
  return resize == Resize::pillow ? resize_as_pillow(bytes, size) : resize_as_opencv(bytes, size);
}

/// resize_pixels() by LibTorch's operators, wherever `out` is. `scale` and `shift` [3] are there too.
void resize_pixels_there(const at::Tensor& image, bool bgr, const at::Tensor& scale, const at::Tensor& shift,
                         const at::Tensor& out) {
  auto pixels = image.to(out.device()).to(out.dtype());
  if (bgr) pixels = pixels.flip(2);
  pixels = pixels.mul_(scale).add_(shift).permute({2, 0, 1}).unsqueeze(0);
  if (pixels.size(2) != out.size(1) || pixels.size(3) != out.size(2)) {
    pixels = at::upsample_bilinear2d(pixels, {out.size(1), out.size(2)}, /*align_corners=*/false);
  }
  out.copy_(pixels.squeeze(0));
}

int64_t round_up(int64_t length, int64_t divisor) {
  return (length + divisor - 1) / divisor * divisor;
}

}  // namespace

PixelOptions PixelOptions::caffe() {
  return {.order = Order::bgr,
          .range = 255,
          .mean = {102.9801, 115.9465, 122.7717},
          .std = {1, 1, 1},
          .resize = Resize::opencv};
}

PixelOptions PixelOptions::from(const config::Node& node, boxes::Convention convention) {
  auto options = convention == boxes::Convention::pixels ? caffe() : PixelOptions();
  node.read("order", options.order, {{"rgb", Order::rgb}, {"bgr", Order::bgr}});
  node.read("range", options.range, {.min = 1e-6});
  read_channels(node, "mean", options.mean, {});
  read_channels(node, "std", options.std, {.min = 1e-6});
  node.read("resize", options.resize,
            {{"torchvision", Resize::torchvision}, {"pillow", Resize::pillow}, {"opencv", Resize::opencv}});
  node.finish();
  return options;
}

at::Tensor network_input(const ImageBatch& batch, const PixelOptions& options, int64_t size_divisor,
                         const at::TensorOptions& like, int64_t least_side) {
  TORCH_CHECK(!batch.images.empty() && batch.images.size() == batch.sizes.size(), "a batch has ",
              batch.images.size(), " images and ", batch.sizes.size(), " sizes");
  for (const auto& size : batch.sizes) {
    TORCH_CHECK(size.height > 0 && size.width > 0, "an image is to be resized to ", size.height, " x ",
                size.width);
  }
  const auto largest = batch.largest_size();
  const auto padded_height = round_up(std::max(largest.height, least_side), size_divisor);
  const auto padded_width = round_up(std::max(largest.width, least_side), size_divisor);
  const auto input = ops::empty_in_huge_pages({std::ssize(batch.images), 3, padded_height, padded_width},
                                              like, at::MemoryFormat::ChannelsLast);
  const auto scaling = scaling_of(options);
  const auto scale = at::tensor(scaling.scale, like), shift = at::tensor(scaling.shift, like);
  for (size_t i = 0; i < batch.images.size(); ++i) {
    auto image = batch.images[i];
    TORCH_CHECK(image.defined() && image.dim() == 3 && image.size(2) == 3 &&
                    image.scalar_type() == at::kByte && image.numel() > 0,
                "an image must be uint8 [H, W, 3] and not empty, got ", image.toString(), " ", image.sizes());
    const auto [height, width] = batch.sizes[i];
    image = resize_bytes(image, batch.sizes[i], options.resize);
    const auto place = input.select(0, static_cast<int64_t>(i));
    place.narrow(1, height, padded_height - height).zero_();
    place.narrow(2, width, padded_width - width).zero_();
    const auto inside = place.narrow(1, 0, height).narrow(2, 0, width);
    if (image.is_cpu() && inside.is_cpu()) {
      resize_pixels(image.contiguous(), scaling, inside);
    } else {
      resize_pixels_there(image, scaling.bgr, scale, shift, inside);
    }
  }
  return input;
}

}  // namespace rcnn::nn
