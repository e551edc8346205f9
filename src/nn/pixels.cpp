#include <algorithm>

#include <torch/torch.h>

#include <rcnn/nn/pixels.h>

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

/// [1, 3, H, W] in the network's order and range.
at::Tensor normalize(const at::Tensor& image, const PixelOptions& options, const at::TensorOptions& like) {
  TORCH_CHECK(image.defined() && image.dim() == 3 && image.size(2) == 3 && image.scalar_type() == at::kByte &&
                  image.numel() > 0,
              "an image must be uint8 [H, W, 3] and not empty, got ", image.toString(), " ", image.sizes());
  std::array<double, 3> scale, shift;
  for (size_t channel = 0; channel < 3; ++channel) {
    scale[channel] = options.range / (255 * options.std[channel]);
    shift[channel] = -options.mean[channel] / options.std[channel];
  }
  auto pixels = image.to(like.device()).to(like.dtype());
  if (options.order == PixelOptions::Order::bgr) pixels = pixels.flip(2);
  pixels.mul_(at::tensor(scale, like)).add_(at::tensor(shift, like));
  return pixels.permute({2, 0, 1}).unsqueeze(0);
}

int64_t round_up(int64_t length, int64_t divisor) {
  return (length + divisor - 1) / divisor * divisor;
}

}  // namespace

PixelOptions PixelOptions::from(const config::Node& node) {
  PixelOptions options;
  node.read("order", options.order, {{"rgb", Order::rgb}, {"bgr", Order::bgr}});
  node.read("range", options.range, {.min = 1e-6});
  read_channels(node, "mean", options.mean, {});
  read_channels(node, "std", options.std, {.min = 1e-6});
  node.finish();
  return options;
}

at::Tensor network_input(const ImageBatch& batch, const PixelOptions& options, int64_t size_divisor,
                         const at::TensorOptions& like) {
  TORCH_CHECK(!batch.images.empty() && batch.images.size() == batch.sizes.size(), "a batch has ",
              batch.images.size(), " images and ", batch.sizes.size(), " sizes");
  ImageSize largest;
  for (const auto& size : batch.sizes) {
    TORCH_CHECK(size.height > 0 && size.width > 0, "an image is to be resized to ", size.height, " x ",
                size.width);
    largest = {std::max(largest.height, size.height), std::max(largest.width, size.width)};
  }
  const auto input = at::empty({std::ssize(batch.images), 3, round_up(largest.height, size_divisor),
                                round_up(largest.width, size_divisor)},
                               like, at::MemoryFormat::ChannelsLast)
                         .zero_();
  for (size_t i = 0; i < batch.images.size(); ++i) {
    const auto [height, width] = batch.sizes[i];
    auto image = normalize(batch.images[i], options, like);
    if (image.size(2) != height || image.size(3) != width) {
      image = at::upsample_bilinear2d(image, {height, width}, /*align_corners=*/false);
    }
    input.select(0, static_cast<int64_t>(i)).narrow(1, 0, height).narrow(2, 0, width).copy_(image.squeeze(0));
  }
  return input;
}

}  // namespace rcnn::nn
