#include <algorithm>

#include <torch/torch.h>

#include <rcnn/nn/detection_model.h>
#include <rcnn/nn/registry.h>

namespace rcnn::nn {
namespace {

void read_rgb(const config::Node& node, const char* key, std::array<double, 3>& value, config::Range range) {
  std::vector<double> numbers(value.begin(), value.end());
  node.read(key, numbers, range);
  if (numbers.size() != value.size()) throw node.error(key, "must be three numbers, for red, green and blue");
  std::copy(numbers.begin(), numbers.end(), value.begin());
}

}  // namespace

PixelOptions PixelOptions::from(const config::Node& node) {
  PixelOptions options;
  read_rgb(node, "mean", options.mean, {});
  read_rgb(node, "std", options.std, {.min = 1e-6});
  node.finish();
  return options;
}

at::Tensor normalize(const ImageBatch& batch, const PixelOptions& options) {
  std::array<float, 3> scale, shift;
  for (size_t channel = 0; channel < 3; ++channel) {
    scale[channel] = static_cast<float>(1 / (255 * options.std[channel]));
    shift[channel] = static_cast<float>(-options.mean[channel] / options.std[channel]);
  }
  const auto pixels = batch.pixels.to(at::kFloat);
  const auto device = pixels.options();
  const auto normalized =
      pixels.mul_(at::tensor(scale, device)).add_(at::tensor(shift, device));  // [N, H, W, 3]
  const auto height = pixels.size(1), width = pixels.size(2);
  for (size_t i = 0; i < batch.sizes.size(); ++i) {
    const auto [image_height, image_width] = batch.sizes[i];
    const auto image = normalized.select(0, static_cast<int64_t>(i));
    image.narrow(0, image_height, height - image_height).zero_();
    image.narrow(1, image_width, width - image_width).zero_();
  }
  return normalized.permute({0, 3, 1, 2});
}

std::shared_ptr<DetectionModelImpl> make_detection_model(const config::Node& model, int64_t num_classes) {
  model.has("weights");  // known here, read by whoever starts a training from it
  return detection_models().make(model, num_classes);
}

}  // namespace rcnn::nn
