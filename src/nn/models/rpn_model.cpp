#include <utility>

#include <torch/torch.h>

#include <rcnn/nn/models/rpn_model.h>

namespace rcnn::nn {

RpnModelImpl::RpnModelImpl(std::shared_ptr<FeatureExtractorImpl> extractor, Rpn rpn,
                           const PixelOptions& pixels, int64_t size_divisor, double score_threshold)
    : trunk_{.extractor = std::move(extractor), .pixels = pixels, .size_divisor = size_divisor},
      rpn_(std::move(rpn)),
      suppression_{.score_threshold = score_threshold,
                   .nms_threshold = rpn_->options().test.nms_threshold,
                   .max_detections = rpn_->options().test.post_nms} {
  register_module("backbone", trunk_.extractor);
  register_module("rpn", rpn_);
  parameter_ = parameters().front();
}

std::vector<Loss> RpnModelImpl::losses(const ImageBatch& images, const std::vector<Target>& targets) {
  TORCH_CHECK(targets.size() == images.images.size(), "losses: targets: expected one for each of ",
              images.images.size(), " images, got ", targets.size());
  const auto frames = frames_of(images, rpn_->options().anchors.convention);
  return rpn_->losses(trunk_.maps(images, parameter_), images.sizes, to_network_pixels(targets, frames));
}

std::vector<Detections> RpnModelImpl::detect(const ImageBatch& images) {
  auto found = proposals(images);
  if (suppression_.score_threshold == 0) return found;
  for (auto& [boxes, scores, labels] : found) {  // best first
    const auto count = (scores > suppression_.score_threshold).sum().item<int64_t>();
    boxes = boxes.narrow(0, 0, count);
    scores = scores.narrow(0, 0, count);
    labels = labels.narrow(0, 0, count);
  }
  return found;
}

std::vector<Detections> RpnModelImpl::proposals(const ImageBatch& images) {
  const auto frames = frames_of(images, rpn_->options().anchors.convention);
  auto proposals = rpn_->forward(trunk_.maps(images, parameter_), images.sizes, nullptr, frames).proposals;
  proposals.boxes = to_image_pixels(proposals.boxes, frames);
  return to_detections(proposals);
}

std::shared_ptr<DetectionModelImpl> make_rpn_model(const config::Node& model, int64_t) {
  const auto trunk = make_trunk(model);
  double score_threshold = 0;
  model.read("score_threshold", score_threshold, {.min = 0, .max = 1});
  const auto rpn = make_rpn(model, trunk.extractor->levels(), trunk.size_divisor);
  return std::make_shared<RpnModelImpl>(trunk.extractor, rpn, trunk.pixels, trunk.size_divisor,
                                        score_threshold);
}

}  // namespace rcnn::nn
