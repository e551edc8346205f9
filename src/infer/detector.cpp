#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/data/options.h>
#include <rcnn/infer/detector.h>
#include <rcnn/version.h>

namespace rcnn {
namespace {

std::vector<Detection> to_structs(const Detections& detections, ImageSize network, ImageSize original) {
  // Rounding can carry a box on the border past it.
  const auto boxes =
      boxes::clip(boxes::rescale(detections.boxes.cpu(), network, original), original).contiguous();
  const auto scores = detections.scores.cpu().contiguous();
  const auto labels = detections.labels.cpu().contiguous();
  const auto box = boxes.accessor<float, 2>();
  std::vector<Detection> result;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    result.push_back({.box = {box[i][0], box[i][1], box[i][2], box[i][3]},
                      .score = scores.data_ptr<float>()[i],
                      .label = labels.data_ptr<int64_t>()[i]});
  }
  return result;
}

}  // namespace

Detector Detector::load(const std::filesystem::path& weights, const DetectorOptions& options) {
  return Detector(nn::load_model(weights), parse_device(options.device));
}

Detector::Detector(const nn::DescribedModel& model, const at::Device& device)
    : model_(model.model),
      categories_(model.categories),
      transform_(data::DataOptions::from(model.config.root().child("data")).test_transform()),
      device_(device) {
  model_->to(device_);
  model_->eval();
}

std::vector<Detection> Detector::detect(const at::Tensor& image) const {
  return detect(std::span(&image, 1)).front();
}

std::vector<std::vector<Detection>> Detector::detect(std::span<const at::Tensor> images) const {
  return run(&nn::DetectionModelImpl::detect, images);
}

std::vector<Detection> Detector::proposals(const at::Tensor& image) const {
  return run(&nn::DetectionModelImpl::proposals, std::span(&image, 1)).front();
}

std::vector<std::vector<Detection>> Detector::run(Find find, std::span<const at::Tensor> images) const {
  if (images.empty()) return {};
  const torch::NoGradGuard no_grad;
  ImageBatch batch{.images = {images.begin(), images.end()}, .sizes = {}};
  std::vector<ImageSize> originals;
  for (const auto& image : images) {
    TORCH_CHECK(image.dim() == 3, "an image must be uint8 [H, W, 3], got ", image.sizes());
    originals.push_back({image.size(0), image.size(1)});
    batch.sizes.push_back(data::resized(originals.back(), transform_.min_size, transform_.max_size));
  }
  const auto detections = (*model_.*find)(batch);
  std::vector<std::vector<Detection>> results;
  for (size_t i = 0; i < detections.size(); ++i) {
    results.push_back(to_structs(detections[i], batch.sizes[i], originals[i]));
  }
  return results;
}

at::Device parse_device(const std::string& name) {
  if (name == "auto") return has_cuda() ? at::kCUDA : at::kCPU;
  if (name == "cpu") return at::kCPU;
  if (name != "cuda") throw ConfigError("--device: unknown device '" + name + "'; known: auto, cpu, cuda");
  if (!has_cuda()) throw ConfigError("--device: there is no usable CUDA device; use cpu or auto");
  return at::kCUDA;
}

}  // namespace rcnn
