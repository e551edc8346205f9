#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/nn/models/fast_rcnn.h>
#include <rcnn/nn/roi/target_statistics.h>

namespace rcnn::nn {
namespace {

constexpr std::string_view kPredictor = "roi_heads.box_predictor";

void check_proposals(const ImageBatch& images) {
  if (images.proposals.size() == images.images.size()) return;
  throw ConfigError(
      "the model finds objects among proposals, and the images come without: give a file of them "
      "(data.train.proposals, data.test.proposals)");
}

}  // namespace

FastRcnnImpl::FastRcnnImpl(std::shared_ptr<FeatureExtractorImpl> extractor, RoiHeads roi_heads,
                           const PixelOptions& pixels, int64_t size_divisor)
    : trunk_{.extractor = std::move(extractor), .pixels = pixels, .size_divisor = size_divisor},
      levels_(trunk_.extractor->levels()),
      roi_heads_(std::move(roi_heads)) {
  register_module("backbone", trunk_.extractor);
  register_module("roi_heads", roi_heads_);
  parameter_ = parameters().front();
}

bool FastRcnnImpl::depends_on_classes(std::string_view name) const {
  return roi_heads_depend_on_classes(name);
}

int64_t FastRcnnImpl::classes_in(const TensorMap& weights) const {
  return classes_in_roi_heads(weights);
}

void FastRcnnImpl::begin_training(const TrainingSet& images, std::span<const std::string> loaded) {
  std::vector<std::string> of_predictor;
  for (const std::string_view name : loaded) {
    if (name.starts_with(kPredictor)) of_predictor.emplace_back(name.substr(kPredictor.size() + 1));
  }
  roi_heads_->begin_training(images, of_predictor);
}

TensorMap FastRcnnImpl::published(TensorMap state) const {
  return with_folded_targets(std::move(state), std::string(kPredictor));
}

std::vector<Loss> FastRcnnImpl::losses(const ImageBatch& images, const std::vector<Target>& targets) {
  TORCH_CHECK(targets.size() == images.images.size(), "losses: targets: expected one for each of ",
              images.images.size(), " images, got ", targets.size());
  check_proposals(images);
  const auto frames = frames_of(images, roi_heads_->options().convention);
  return roi_heads_->losses(for_rois(trunk_.maps(images, parameter_), levels_), images.proposals,
                            without_ignored(targets, frames), frames);
}

std::vector<Detections> FastRcnnImpl::find(Find find, const ImageBatch& images) {
  check_proposals(images);
  return ((*roi_heads_).*find)(for_rois(trunk_.maps(images, parameter_), levels_), images.proposals,
                               images.sizes, frames_of(images, roi_heads_->options().convention),
                               RoiHeadsImpl::SameCells::once);
}

std::vector<Detections> FastRcnnImpl::detect(const ImageBatch& images) {
  return find(&RoiHeadsImpl::detect, images);
}

std::vector<Detections> FastRcnnImpl::candidates(const ImageBatch& images) {
  return find(&RoiHeadsImpl::candidates, images);
}

std::shared_ptr<DetectionModelImpl> make_fast_rcnn(const config::Node& model, int64_t num_classes) {
  const auto trunk = make_trunk(model);
  const auto roi_heads = make_roi_heads_of(model, trunk.extractor->levels(), num_classes);
  return std::make_shared<FastRcnnImpl>(trunk.extractor, roi_heads, trunk.pixels, trunk.size_divisor);
}

}  // namespace rcnn::nn
