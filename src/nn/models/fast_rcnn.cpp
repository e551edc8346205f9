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

constexpr std::string_view kPredictor = "roi_heads.box_predictor",
                           kAuxiliaryPredictor = "auxiliary_heads.box_predictor";

/// Those of `names` that are a predictor's, as it calls them.
std::vector<std::string> names_in(std::string_view predictor, std::span<const std::string> names) {
  std::vector<std::string> result;
  for (const std::string_view name : names) {
    if (name.starts_with(predictor)) result.emplace_back(name.substr(predictor.size() + 1));
  }
  return result;
}

void check_proposals(const ImageBatch& images) {
  if (images.proposals.size() == images.images.size()) return;
  throw ConfigError(
      "the model finds objects among proposals, and the images come without: give a file of them "
      "(data.train.proposals, data.test.proposals)");
}

}  // namespace

FastRcnnImpl::FastRcnnImpl(std::shared_ptr<FeatureExtractorImpl> extractor, RoiHeads roi_heads,
                           const PixelOptions& pixels, int64_t size_divisor, AuxiliaryHeads auxiliary_heads)
    : trunk_{.extractor = std::move(extractor), .pixels = pixels, .size_divisor = size_divisor},
      levels_(trunk_.extractor->levels()),
      roi_heads_(std::move(roi_heads)),
      auxiliary_heads_(std::move(auxiliary_heads)) {
  register_module("backbone", trunk_.extractor);
  register_module("roi_heads", roi_heads_);
  if (auxiliary_heads_) register_module(std::string(kAuxiliaryHeads), auxiliary_heads_);
  parameter_ = parameters().front();
}

bool FastRcnnImpl::depends_on_classes(std::string_view name) const {
  return roi_heads_depend_on_classes(name) || auxiliary_heads_depend_on_classes(name);
}

int64_t FastRcnnImpl::classes_in(const TensorMap& weights) const {
  return classes_in_roi_heads(weights);
}

bool FastRcnnImpl::only_trains(std::string_view name) const {
  return auxiliary_heads_ && is_of_auxiliary_heads(name);
}

void FastRcnnImpl::drop_training_parts() {
  if (auxiliary_heads_) auxiliary_heads_->drop();
}

void FastRcnnImpl::begin_training(const TrainingSet& images, std::span<const std::string> loaded) {
  roi_heads_->begin_training(images, names_in(kPredictor, loaded));
  if (auxiliary_heads_)
    auxiliary_heads_->share_statistics(roi_heads_->branch(), names_in(kAuxiliaryPredictor, loaded));
}

TensorMap FastRcnnImpl::published(TensorMap state) const {
  return with_folded_targets(with_folded_targets(std::move(state), std::string(kPredictor)),
                             std::string(kAuxiliaryPredictor));
}

std::vector<Loss> FastRcnnImpl::losses(const ImageBatch& images, const std::vector<Target>& targets) {
  TORCH_CHECK(targets.size() == images.images.size(), "losses: targets: expected one for each of ",
              images.images.size(), " images, got ", targets.size());
  check_proposals(images);
  const auto frames = frames_of(images, roi_heads_->options().convention);
  const auto truth = without_ignored(targets, frames);
  const auto [maps, laterals] = trunk_.features(images, parameter_);
  const auto roi_maps = for_rois(maps, levels_);
  if (!auxiliary_heads_) return roi_heads_->losses(roi_maps, images.proposals, truth, frames);
  const auto rois = roi_heads_->sample(roi_maps, images.proposals, truth, frames);
  auto losses = roi_heads_->losses(roi_maps, rois, rois.boxes, frames);
  for (auto& loss : auxiliary_heads_->losses(laterals, rois, rois.boxes)) losses.push_back(std::move(loss));
  return losses;
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
  const auto auxiliary_heads =
      make_auxiliary_heads(model, *trunk.extractor, num_classes, roi_heads->branch_options());
  return std::make_shared<FastRcnnImpl>(trunk.extractor, roi_heads, trunk.pixels, trunk.size_divisor,
                                        auxiliary_heads);
}

}  // namespace rcnn::nn
