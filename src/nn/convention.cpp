#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/convention.h>

namespace rcnn::nn {
namespace {

double ratio(int64_t network, int64_t image) {
  return static_cast<double>(network) / static_cast<double>(image);
}

}  // namespace

boxes::Convention read_convention(const config::Node& model) {
  bool legacy = false;
  model.read("legacy", legacy);
  return legacy ? boxes::Convention::pixels : boxes::Convention::edges;
}

double Frame::pixel_width() const {
  return ratio(network.width, image.width);
}

double Frame::pixel_height() const {
  return ratio(network.height, image.height);
}

at::Tensor Frame::to_network_pixels(const at::Tensor& boxes) const {
  return boxes::trim(boxes, pixel_width() - 1, pixel_height() - 1);
}

at::Tensor Frame::to_image_pixels(const at::Tensor& boxes) const {
  return boxes::trim(boxes, 1 - pixel_width(), 1 - pixel_height());
}

std::vector<Frame> frames_of(const ImageBatch& images, boxes::Convention convention) {
  std::vector<Frame> frames;
  if (convention == boxes::Convention::edges) return frames;
  for (size_t i = 0; i < images.images.size(); ++i) {
    const auto& image = images.images[i];
    frames.push_back({.image = {image.size(0), image.size(1)}, .network = images.sizes[i]});
  }
  return frames;
}

std::vector<Target> to_network_pixels(const std::vector<Target>& targets, const std::vector<Frame>& frames) {
  auto result = without_ignored(targets, frames);
  for (size_t i = 0; i < frames.size(); ++i) result[i].boxes = frames[i].to_network_pixels(result[i].boxes);
  return result;
}

std::vector<Target> without_ignored(const std::vector<Target>& targets, const std::vector<Frame>& frames) {
  auto result = targets;
  for (size_t i = 0; i < frames.size(); ++i) result[i].ignore = targets[i].boxes.new_zeros({0, 4});
  return result;
}

std::vector<at::Tensor> to_image_pixels(const std::vector<at::Tensor>& boxes,
                                        const std::vector<Frame>& frames) {
  auto result = boxes;
  for (size_t i = 0; i < frames.size(); ++i) result[i] = frames[i].to_image_pixels(boxes[i]);
  return result;
}

}  // namespace rcnn::nn
