#include <algorithm>
#include <utility>
#include <vector>

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/ohem_sampler.h>
#include <rcnn/nn/roi/roi_heads.h>

#include "nn/built.h"
#include "nn/read_sampling.h"

namespace rcnn::nn {
namespace {

// Boxes thinner than this, in network pixels, are not worth reporting (torchvision's value).
constexpr double kMinDetectionSize = 1e-2;

/// Boxes of images in their own pixels, in those of the network.
std::vector<at::Tensor> to_network(std::vector<at::Tensor> boxes, const std::vector<Frame>& frames) {
  for (size_t image = 0; image < frames.size(); ++image) {
    boxes[image] = boxes::rescale(boxes[image], frames[image].image, frames[image].network);
  }
  return boxes;
}

/// The inverse.
std::vector<at::Tensor> to_image(std::vector<at::Tensor> boxes, const std::vector<Frame>& frames) {
  for (size_t image = 0; image < frames.size(); ++image) {
    boxes[image] = boxes::rescale(boxes[image], frames[image].network, frames[image].image);
  }
  return boxes;
}

std::vector<ImageSize> image_sizes(const std::vector<Frame>& frames) {
  std::vector<ImageSize> sizes;
  for (const auto& frame : frames) sizes.push_back(frame.image);
  return sizes;
}

/// [K, 4] of [R, C + 1, 4], or of [R, 1, 4], which are of every class.
at::Tensor own_boxes(const at::Tensor& boxes, const at::Tensor& roi, const at::Tensor& label) {
  return boxes.index({roi, boxes.size(1) == 1 ? at::zeros_like(label) : label});
}

/// Detections of images in their own pixels, in those of the network.
std::vector<Detections> to_network(std::vector<Detections> found, const std::vector<Frame>& frames) {
  for (size_t image = 0; image < frames.size(); ++image) {
    found[image].boxes = boxes::rescale(found[image].boxes, frames[image].image, frames[image].network);
  }
  return found;
}

Detections joined(const Detections& a, const Detections& b) {
  return {at::cat({a.boxes, b.boxes}), at::cat({a.scores, b.scores}), at::cat({a.labels, b.labels})};
}

/// Proposals and ground truth, all of them that are not left out.
RoiBatch all_rois(const std::vector<at::Tensor>& proposals, const std::vector<Target>& targets,
                  const boxes::MatcherOptions& matcher) {
  int64_t most = 0;
  for (size_t image = 0; image < targets.size(); ++image) {
    most = std::max(most, proposals[image].size(0) + targets[image].boxes.size(0));
  }
  return sample_rois(proposals, targets, matcher, {.count = most, .positive_fraction = 1});
}

/// What `pass` gives; afterwards the module's buffers are what they were before. Which of them a pass changes
/// cannot be told: batch norm writes its statistics past the tensors' versions.
template <class Pass>
auto keeping_buffers(const torch::nn::Module& module, Pass pass) {
  const auto buffers = module.buffers();
  std::vector<at::Tensor> before;
  for (const auto& buffer : buffers) before.push_back(buffer.clone());
  auto result = pass();
  for (size_t i = 0; i < buffers.size(); ++i) buffers[i].copy_(before[i]);
  return result;
}

}  // namespace

void RoiHeadsOptions::read(const config::Node& node) {
  read_sampling(node, matcher, sampler);
  node.read("negative_low", matcher.negative_low, {.min = 0, .max = 1});
  if (matcher.negative_low > 0 && matcher.negative_low >= matcher.negative_iou) {
    throw node.error("negative_low", "must be below negative_iou: nothing would be background");
  }
  node.read("sampler", sampling, {{"random", Sampling::random}, {"ohem_sampler", Sampling::ohem_sampler}});
  bool mines = node.is_object("ohem");
  if (mines) {
    const auto keys = node.child("ohem");
    ohem.read(keys);
    keys.finish();
  } else {
    node.read("ohem", mines);
  }
  if (mines) {
    node.refuse({"positive_fraction", "negative_low", "sampler"}, "ohem");
    sampling = Sampling::ohem;
  }
  node.read("iterations", iterations, {.min = 1, .max = 16});
  suppression = SuppressionOptions::from(node);
}

RoiHeadsImpl::RoiHeadsImpl(std::shared_ptr<RoiPoolerImpl> pooler, BoxBranch branch,
                           const RoiHeadsOptions& options)
    : options_(options),
      pooler_(register_module("box_roi_pool", std::move(pooler))),
      branch_(std::move(branch)) {
  for (const auto& part : branch_->named_children()) register_module(part.key(), part.value());
}

/// Boxes as the pooler takes them.
std::vector<at::Tensor> RoiHeadsImpl::rois_of(const std::vector<at::Tensor>& boxes,
                                              const std::vector<Frame>& frames) const {
  if (options_.convention == boxes::Convention::edges) return boxes;
  std::vector<at::Tensor> pixels;
  for (size_t image = 0; image < boxes.size(); ++image) {
    pixels.push_back(frames.empty() ? boxes::trim(boxes[image], 1, 1)
                                    : boxes::trim(boxes[image], frames[image].pixel_width(),
                                                  frames[image].pixel_height()));
  }
  return pixels;
}

BoxBranchImpl::Prediction RoiHeadsImpl::predict(const std::vector<at::Tensor>& maps,
                                                const std::vector<at::Tensor>& boxes,
                                                const std::vector<Frame>& frames) {
  return branch_->forward(pooler_->forward(maps, rois_of(boxes, frames)));
}

RoiBatch RoiHeadsImpl::sample(const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& proposals,
                              const std::vector<Target>& targets, const std::vector<Frame>& frames) {
  RECORD_USER_SCOPE("rcnn::roi_heads");
  using Sampling = RoiHeadsOptions::Sampling;
  if (options_.sampling == Sampling::random) {
    return sample_rois(proposals, targets, options_.matcher, options_.sampler);
  }
  const torch::NoGradGuard no_grad;
  const auto all = all_rois(proposals, targets, options_.matcher);
  const auto prediction =
      keeping_buffers(*this, [&] { return predict(maps, all.unpadded(all.boxes), frames); });
  const auto rows =
      options_.sampling == Sampling::ohem
          ? hardest_rois(all, branch_->loss_of_each(prediction, all), options_.sampler.count, options_.ohem)
          : worst_classified_rois(all, prediction.scores, options_.sampler);
  return all.select(rows);
}

std::vector<Loss> RoiHeadsImpl::losses(const std::vector<at::Tensor>& maps, const RoiBatch& rois,
                                       const at::Tensor& boxes, const std::vector<Frame>& frames) {
  RECORD_USER_SCOPE("rcnn::roi_heads");
  return branch_->losses(predict(maps, rois.unpadded(boxes), frames), rois);
}

std::vector<Loss> RoiHeadsImpl::losses(const std::vector<at::Tensor>& maps,
                                       const std::vector<at::Tensor>& proposals,
                                       const std::vector<Target>& targets, const std::vector<Frame>& frames) {
  const auto rois = sample(maps, proposals, targets, frames);
  return losses(maps, rois, rois.boxes, frames);
}

/// The same, computed once for those of an image's boxes that pool the same.
BoxBranchImpl::Prediction RoiHeadsImpl::predict_once(const std::vector<at::Tensor>& maps,
                                                     const std::vector<at::Tensor>& boxes,
                                                     const std::vector<Frame>& frames) {
  auto rois = rois_of(boxes, frames);
  std::vector<at::Tensor> places;
  int64_t count = 0;
  for (auto& of_image : rois) {
    const auto cells = pooler_->cells(of_image);
    if (!cells.defined()) return predict(maps, boxes, frames);
    const auto [distinct, place, counts] = at::unique_dim(cells, 0, /*sorted=*/true, /*return_inverse=*/true);
    // Any of those that are alike stands for them.
    const auto chosen =
        place.new_empty({distinct.size(0)}).index_copy_(0, place, at::arange(place.size(0), place.options()));
    of_image = of_image.index_select(0, chosen);
    places.push_back(place + count);
    count += distinct.size(0);
  }
  const auto prediction = branch_->forward(pooler_->forward(maps, rois));
  const auto place = at::cat(places);
  return {prediction.scores.index_select(0, place), prediction.deltas.index_select(0, place)};
}

/// Clipped to an image, without those that are then too thin.
Detections RoiHeadsImpl::with_size(const Detections& candidates, ImageSize size) const {
  const auto boxes = boxes::clip(candidates.boxes, size, options_.convention);
  const auto keep = boxes::large_enough(boxes, kMinDetectionSize).nonzero().squeeze(1);
  return {boxes.index_select(0, keep), candidates.scores.index_select(0, keep),
          candidates.labels.index_select(0, keep)};
}

std::vector<Detections> RoiHeadsImpl::first_candidates(const std::vector<at::Tensor>& maps,
                                                       const std::vector<at::Tensor>& proposals,
                                                       const std::vector<ImageSize>& sizes,
                                                       const std::vector<Frame>& frames,
                                                       SameCells same_cells) {
  const auto prediction = same_cells == SameCells::once ? predict_once(maps, proposals, frames)
                                                        : predict(maps, proposals, frames);
  const auto [probabilities, boxes] = branch_->decode(prediction, at::cat(to_image(proposals, frames)));
  const auto num_classes = probabilities.size(1) - 1;
  std::vector<Detections> found;
  int64_t first = 0;
  for (size_t image = 0; image < proposals.size(); ++image) {
    const auto count = proposals[image].size(0);
    const auto scores = probabilities.narrow(0, first, count);
    const auto above = (scores.narrow(1, 1, num_classes) > options_.suppression.score_threshold).nonzero();
    const auto roi = above.select(1, 0), label = above.select(1, 1) + 1;
    found.push_back(
        with_size({own_boxes(boxes.narrow(0, first, count), roi, label), scores.index({roi, label}), label},
                  sizes[image]));
    first += count;
  }
  return found;
}

std::vector<Detections> RoiHeadsImpl::refined(const std::vector<at::Tensor>& maps,
                                              const std::vector<Detections>& found,
                                              const std::vector<ImageSize>& sizes,
                                              const std::vector<Frame>& frames) {
  std::vector<at::Tensor> rois;
  for (const auto& image : found) rois.push_back(image.boxes);
  const auto prediction = predict(maps, to_network(rois, frames), frames);
  const auto [probabilities, boxes] = branch_->decode(prediction, at::cat(rois));
  std::vector<Detections> again;
  int64_t first = 0;
  for (size_t image = 0; image < found.size(); ++image) {
    const auto count = rois[image].size(0);
    const auto scores =
        probabilities.narrow(0, first, count).gather(1, found[image].labels.unsqueeze(1)).squeeze(1);
    const auto roi = (scores > options_.suppression.score_threshold).nonzero().squeeze(1);
    const auto label = found[image].labels.index_select(0, roi);
    again.push_back(
        with_size({own_boxes(boxes.narrow(0, first, count), roi, label), scores.index_select(0, roi), label},
                  sizes[image]));
    first += count;
  }
  return again;
}

/// In the images' own pixels where there are frames, in the network's otherwise.
std::vector<Detections> RoiHeadsImpl::all_candidates(const std::vector<at::Tensor>& maps,
                                                     const std::vector<at::Tensor>& proposals,
                                                     const std::vector<ImageSize>& sizes,
                                                     const std::vector<Frame>& frames, SameCells same_cells) {
  RECORD_USER_SCOPE("rcnn::roi_heads");
  const auto limits = frames.empty() ? sizes : image_sizes(frames);
  auto found = first_candidates(maps, proposals, limits, frames, same_cells);
  auto latest = found;
  auto without_voting = options_.suppression;
  without_voting.voting.reset();
  for (int64_t i = 1; i < options_.iterations; ++i) {
    for (auto& image : latest) image = suppress(image, without_voting);
    latest = refined(maps, latest, limits, frames);
    for (size_t image = 0; image < found.size(); ++image) found[image] = joined(found[image], latest[image]);
  }
  return found;
}

std::vector<Detections> RoiHeadsImpl::candidates(const std::vector<at::Tensor>& maps,
                                                 const std::vector<at::Tensor>& proposals,
                                                 const std::vector<ImageSize>& sizes,
                                                 const std::vector<Frame>& frames, SameCells same_cells) {
  return to_network(all_candidates(maps, proposals, sizes, frames, same_cells), frames);
}

std::vector<Detections> RoiHeadsImpl::detect(const std::vector<at::Tensor>& maps,
                                             const std::vector<at::Tensor>& proposals,
                                             const std::vector<ImageSize>& sizes,
                                             const std::vector<Frame>& frames, SameCells same_cells) {
  auto found = all_candidates(maps, proposals, sizes, frames, same_cells);
  for (auto& image : found) image = suppress(image, options_.suppression);
  return to_network(std::move(found), frames);
}

RoiHeads make_roi_heads(const config::Node& node, const std::vector<FeatureSpec>& features,
                        int64_t num_classes, boxes::Convention convention) {
  if (convention == boxes::Convention::pixels) node.child("pooler").refuse({"aligned"}, "legacy");
  auto pooler = poolers().make(node.child("pooler"), features);
  RoiHeadsOptions options{.convention = convention};
  BoxBranchOptions branch_options;
  branch_options.coder.convention = convention;
  options.read(node);
  branch_options.read(node);
  const auto head_node = node.child("head");
  node.has("auxiliary");  // known here, read by make_auxiliary_heads()
  node.finish();
  const auto ranks = head_node.child("svd");  // of the head's layers and the predictor's
  const auto head = box_heads().make(head_node, pooler->grids());
  const int64_t channels = head->channels(), boxes = branch_options.class_agnostic ? 1 : num_classes + 1;
  branch_options.ranks = {.cls_score = svd_rank(head_node, "cls_score", channels, num_classes + 1),
                          .bbox_pred = svd_rank(head_node, "bbox_pred", channels, 4 * boxes)};
  ranks.finish();
  BoxBranch branch(head, num_classes, branch_options);
  return RoiHeads(std::move(pooler), std::move(branch), options);
}

RoiHeads make_roi_heads_of(const config::Node& model, const std::vector<FeatureSpec>& levels,
                           int64_t num_classes) {
  return built(model, "roi", "what its head is told (hidden, channels, width), or pooler.size", [&] {
    return make_roi_heads(model.child("roi"), for_rois(levels, levels), num_classes, read_convention(model));
  });
}

bool roi_heads_depend_on_classes(std::string_view name) {
  return name.starts_with("roi_heads.box_predictor.");
}

int64_t classes_in_roi_heads(const TensorMap& weights) {
  auto scores = weights.find("roi_heads.box_predictor.cls_score.bias");
  if (scores == weights.end()) scores = weights.find("roi_heads.box_predictor.cls_score_U.bias");
  return scores == weights.end() ? 0 : std::max<int64_t>(scores->second.numel() - 1, 1);
}

}  // namespace rcnn::nn
