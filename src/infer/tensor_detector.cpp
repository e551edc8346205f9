#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/data/options.h>
#include <rcnn/device.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/nn/inference.h>
#include <rcnn/nn/model_file.h>

namespace rcnn {
namespace {

/// What the options change in the description of a model.
std::vector<std::string> overrides_of(const DetectorOptions& options) {
  std::vector<std::string> overrides;
  const auto add = [&](const char* key, const auto& value) {
    if (value) overrides.push_back(fmt::format("model.roi.{}={}", key, *value));
  };
  add("score_threshold", options.score_threshold);
  add("nms_threshold", options.nms_threshold);
  add("max_detections", options.max_detections);
  return overrides;
}

/// In the pixels of the image instead of the network's.
Detections in_image(const Detections& found, ImageSize network, ImageSize image) {
  // Rounding can carry a box on the border past it.
  return {boxes::clip(boxes::rescale(found.boxes, network, image), image), found.scores, found.labels};
}

}  // namespace

TensorDetector TensorDetector::load(const std::filesystem::path& weights, const DetectorOptions& options) {
  const auto device = parse_device(options.device);
  const auto described = nn::load_model(weights, overrides_of(options));
  TensorDetector detector(described, device);
  detector.precision_ = options.precision;
  nn::prepare_for_inference(*described.model, options.precision);
  return detector;
}

TensorDetector::TensorDetector(const nn::DescribedModel& model, const at::Device& device)
    : model_(model.model),
      categories_(model.categories),
      transform_(data::DataOptions::from(model.config.root().child("data")).test_transform()),
      device_(device) {
  model_->to(device_);
  model_->eval();
}

ImageSize TensorDetector::network_size(ImageSize image) const {
  return data::resized(image, transform_.min_size, transform_.max_size);
}

Detections TensorDetector::detect(const at::Tensor& image) const {
  return detect(std::span(&image, 1)).front();
}

std::vector<Detections> TensorDetector::detect(std::span<const at::Tensor> images) const {
  return run(&nn::DetectionModelImpl::detect, images);
}

Detections TensorDetector::proposals(const at::Tensor& image) const {
  return run(&nn::DetectionModelImpl::proposals, std::span(&image, 1)).front();
}

std::vector<Detections> TensorDetector::run(Find find, std::span<const at::Tensor> images) const {
  if (images.empty()) return {};
  const torch::NoGradGuard no_grad;
  const nn::Autocast autocast(device_.type(), precision_);
  ImageBatch batch{.images = {images.begin(), images.end()}, .sizes = {}};
  std::vector<ImageSize> originals;
  for (const auto& image : images) {
    TORCH_CHECK(image.dim() == 3, "an image must be uint8 [H, W, 3], got ", image.sizes());
    originals.push_back({image.size(0), image.size(1)});
    batch.sizes.push_back(network_size(originals.back()));
  }
  auto detections = (*model_.*find)(batch);
  for (size_t i = 0; i < detections.size(); ++i) {
    detections[i] = in_image(detections[i], batch.sizes[i], originals[i]);
  }
  return detections;
}

std::vector<Detection> to_list(const Detections& detections) {
  const auto boxes = detections.boxes.to(at::kCPU, at::kFloat).contiguous();
  const auto scores = detections.scores.to(at::kCPU, at::kFloat).contiguous();
  const auto labels = detections.labels.cpu().contiguous();
  const auto box = boxes.accessor<float, 2>();
  const auto* const score = scores.const_data_ptr<float>();
  const auto* const label = labels.const_data_ptr<int64_t>();
  std::vector<Detection> list;
  list.reserve(static_cast<size_t>(boxes.size(0)));
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    list.push_back(
        {.box = {box[i][0], box[i][1], box[i][2], box[i][3]}, .score = score[i], .label = label[i]});
  }
  return list;
}

}  // namespace rcnn
