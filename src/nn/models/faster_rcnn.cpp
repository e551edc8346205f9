#include <utility>

#include <torch/torch.h>

#include <rcnn/nn/models/faster_rcnn.h>

namespace rcnn::nn {
namespace {

/// Where the RoIs of a batch are pooled from: their boxes, as the RPN's maps predict them.
at::Tensor joined_boxes(const RoiBatch& rois, const Proposals& proposals, Rpn& rpn,
                        const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                        ProposalGradient gradient, double clip) {
  // A column behind the others stands for none.
  const auto anchors = at::constant_pad_nd(at::pad_sequence(proposals.anchors, true, -1), {0, 1}, -1);
  const auto places = rois.proposal.masked_fill(rois.proposal < 0, anchors.size(1) - 1);
  return rpn->with_gradient(rois.boxes, anchors.gather(1, places), maps, sizes, gradient, clip);
}

}  // namespace

FasterRcnnImpl::FasterRcnnImpl(std::shared_ptr<FeatureExtractorImpl> extractor, Rpn rpn, RoiHeads roi_heads,
                               const PixelOptions& pixels, int64_t size_divisor,
                               ProposalGradient proposal_gradient, double proposal_gradient_clip,
                               AuxiliaryHeads auxiliary_heads)
    : trunk_{.extractor = std::move(extractor), .pixels = pixels, .size_divisor = size_divisor},
      levels_(trunk_.extractor->levels()),
      rpn_(std::move(rpn)),
      roi_heads_(std::move(roi_heads)),
      proposal_gradient_(proposal_gradient),
      proposal_gradient_clip_(proposal_gradient_clip),
      auxiliary_heads_(std::move(auxiliary_heads)) {
  TORCH_CHECK(
      proposal_gradient == ProposalGradient::none || roi_heads_->pooler().is_differentiable_in_boxes(),
      "FasterRcnn: proposal_gradient: expected none for a pooler that has no gradient of its boxes");
  register_module("backbone", trunk_.extractor);
  register_module("rpn", rpn_);
  register_module("roi_heads", roi_heads_);
  if (auxiliary_heads_) register_module(std::string(kAuxiliaryHeads), auxiliary_heads_);
  parameter_ = parameters().front();
}

bool FasterRcnnImpl::depends_on_classes(std::string_view name) const {
  return roi_heads_depend_on_classes(name) || auxiliary_heads_depend_on_classes(name);
}

int64_t FasterRcnnImpl::classes_in(const TensorMap& weights) const {
  return classes_in_roi_heads(weights);
}

bool FasterRcnnImpl::only_trains(std::string_view name) const {
  return auxiliary_heads_ && is_of_auxiliary_heads(name);
}

void FasterRcnnImpl::drop_training_parts() {
  if (auxiliary_heads_) auxiliary_heads_->drop();
}

std::vector<at::Tensor> FasterRcnnImpl::feature_maps(const ImageBatch& images) {
  return trunk_.maps(images, parameter_);
}

std::vector<Loss> FasterRcnnImpl::losses(const ImageBatch& images, const std::vector<Target>& targets) {
  TORCH_CHECK(targets.size() == images.images.size(), "losses: targets: expected one for each of ",
              images.images.size(), " images, got ", targets.size());
  const bool joined = proposal_gradient_ != ProposalGradient::none;
  const auto frames = frames_of(images, roi_heads_->options().convention);
  const auto truth = to_network_pixels(targets, frames);
  const auto [maps, laterals] = trunk_.features(images, parameter_);
  auto [proposals, losses] = rpn_->forward(maps, images.sizes, &truth, frames, /*with_anchors=*/joined);
  const auto roi_maps = for_rois(maps, levels_);
  const auto rois = roi_heads_->sample(roi_maps, proposals.boxes, truth);
  const auto boxes = joined ? joined_boxes(rois, proposals, rpn_, maps, images.sizes, proposal_gradient_,
                                           proposal_gradient_clip_)
                            : rois.boxes;
  for (auto& loss : roi_heads_->losses(roi_maps, rois, boxes)) losses.push_back(std::move(loss));
  if (!auxiliary_heads_) return losses;
  for (auto& loss : auxiliary_heads_->losses(laterals, rois, boxes)) losses.push_back(std::move(loss));
  return losses;
}

std::vector<Detections> FasterRcnnImpl::find(Find find, const ImageBatch& images) {
  const auto frames = frames_of(images, roi_heads_->options().convention);
  const auto maps = feature_maps(images);
  const auto proposals = rpn_->forward(maps, images.sizes, nullptr, frames).proposals.boxes;
  return ((*roi_heads_).*find)(for_rois(maps, levels_), to_image_pixels(proposals, frames), images.sizes,
                               frames, RoiHeadsImpl::SameCells::each);
}

std::vector<Detections> FasterRcnnImpl::detect(const ImageBatch& images) {
  return find(&RoiHeadsImpl::detect, images);
}

std::vector<Detections> FasterRcnnImpl::candidates(const ImageBatch& images) {
  return find(&RoiHeadsImpl::candidates, images);
}

std::vector<Detections> FasterRcnnImpl::proposals(const ImageBatch& images) {
  const auto frames = frames_of(images, roi_heads_->options().convention);
  auto proposals = rpn_->forward(feature_maps(images), images.sizes, nullptr, frames).proposals;
  proposals.boxes = to_image_pixels(proposals.boxes, frames);
  return to_detections(proposals);
}

std::shared_ptr<DetectionModelImpl> make_faster_rcnn(const config::Node& model, int64_t num_classes) {
  const auto trunk = make_trunk(model);
  const auto levels = trunk.extractor->levels();
  const auto rpn = make_rpn(model, levels, trunk.size_divisor);
  const auto roi_heads = make_roi_heads_of(model, levels, num_classes);
  if (roi_heads->branch_options().target_statistics != BoxBranchOptions::TargetStatistics::none) {
    throw model.child("roi").error(
        "target_statistics",
        "is for a model with stored proposals, fast_rcnn; box_weights has fixed ones; "
        "model.roi.target_statistics=null takes an inherited one away");
  }
  auto gradient = ProposalGradient::none;
  model.read("proposal_gradient", gradient,
             {{"none", ProposalGradient::none},
              {"exact", ProposalGradient::exact},
              {"inside", ProposalGradient::inside}});
  double clip = 0;
  if (gradient == ProposalGradient::none) {
    model.refuse({"proposal_gradient_clip"}, "proposal_gradient none");
  } else {
    model.read("proposal_gradient_clip", clip, {.min = 0});
  }
  if (gradient != ProposalGradient::none && !roi_heads->pooler().is_differentiable_in_boxes()) {
    throw model.error(
        "proposal_gradient",
        "needs a pooler with a gradient of its boxes, as roi.pooler.type align has; pool rounds "
        "them");
  }
  const auto auxiliary_heads =
      make_auxiliary_heads(model, *trunk.extractor, num_classes, roi_heads->branch_options());
  return std::make_shared<FasterRcnnImpl>(trunk.extractor, rpn, roi_heads, trunk.pixels, trunk.size_divisor,
                                          gradient, clip, auxiliary_heads);
}

}  // namespace rcnn::nn
