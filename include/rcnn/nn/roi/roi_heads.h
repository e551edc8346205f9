#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/boxes/matcher.h>
#include <rcnn/boxes/sampler.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/convention.h>
#include <rcnn/nn/loss.h>
#include <rcnn/nn/models/suppression.h>
#include <rcnn/nn/roi/box_branch.h>
#include <rcnn/nn/roi/ohem.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// Which RoIs the second stage learns from, and which of its detections it reports.
struct RCNN_EXPORT RoiHeadsOptions {
  boxes::MatcherOptions matcher{.positive_iou = 0.5, .negative_iou = 0.5};
  boxes::SamplerOptions sampler{.count = 512, .positive_fraction = 0.25};
  enum class Sampling {
    random,        ///< sample_rois()
    ohem,          ///< hardest_rois(), with no share for objects: sampler.positive_fraction is not used
    ohem_sampler,  ///< worst_classified_rois()
  } sampling = Sampling::random;
  OhemOptions ohem = {};
  SuppressionOptions suppression = {};
  /// How often boxes are refined, 1 or more: iterative localisation (Gidaris and Komodakis 2015, section 5).
  int64_t iterations = 1;
  boxes::Convention convention = boxes::Convention::edges;  ///< that of the branch's coder too

  /// Keys: positive_iou, negative_iou, negative_low, ignore_share, batch_per_image, positive_fraction, ohem
  /// (true, or an object of OhemOptions' keys), sampler (random, ohem_sampler), iterations, and
  /// SuppressionOptions'. Throws ConfigError too for ohem together with what it does without:
  /// positive_fraction, negative_low, another sampler.
  void read(const config::Node& node);
};

/// The second stage (Fast R-CNN, sections 2.1 to 2.3): pooling, box head, class scores and class-wise boxes.
/// By Convention::pixels the pooler is given first and last pixel, as Caffe's RoIPool and Detectron's
/// RoIAlign are.
///
/// Parameters: those of the pooler as box_roi_pool.*, which of the built-in ones soft alone has, box_head.*,
/// box_predictor.*
class RCNN_EXPORT RoiHeadsImpl : public torch::nn::Module {
 public:
  /// The branch's parts become its own, under their names.
  RoiHeadsImpl(std::shared_ptr<RoiPoolerImpl> pooler, BoxBranch branch, const RoiHeadsOptions& options);

  /// The RoIs to learn from. `proposals` are float32 [P, 4] for each image; zero proposals and zero ground
  /// truth are fine. By Convention::pixels boxes have a last pixel of the image's where there are `frames`,
  /// as stored proposals have, and one of the network's where there are none.
  ///
  /// Where hard ones are sampled, all proposals and the ground truth go through the branch first, without a
  /// graph. That pass leaves gradients and buffers (the statistics of batch norms) as they are; dropout is
  /// active in it with a mask of its own, as in the authors' code of OHEM.
  RoiBatch sample(const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& proposals,
                  const std::vector<Target>& targets, const std::vector<Frame>& frames = {});

  /// Compares what the branch says of RoIs with what they are, see BoxBranchImpl::losses(). They are pooled
  /// from `boxes` [B, S, 4]: their own, or these as part of a graph, in which the gradient goes on through
  /// the pooler. What the branch is to say is a constant.
  std::vector<Loss> losses(const std::vector<at::Tensor>& maps, const RoiBatch& rois, const at::Tensor& boxes,
                           const std::vector<Frame>& frames = {});

  /// The same of the RoIs that sample() gives, pooled from their own boxes.
  std::vector<Loss> losses(const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& proposals,
                           const std::vector<Target>& targets, const std::vector<Frame>& frames = {});

  /// Whether RoIs of one image that pool the same, see RoiPoolerImpl::cells(), are computed each by itself,
  /// or once and decoded each from its own box, as Fast R-CNN does with stored proposals when it detects
  /// (the authors' im_detect, DEDUP_BOXES).
  enum class SameCells { each, once };

  /// Detections of each image, best first, in network pixels, clipped to `sizes`. With `frames` both
  /// proposals and detections have a last pixel of the image's, and boxes are decoded, clipped and suppressed
  /// in the image's own pixels (py-faster-rcnn's im_detect).
  ///
  /// With more than one iteration, what suppress() leaves of one iteration's candidates, at most
  /// max_detections, without voting, are the RoIs of the next: each is scored and refined once more for its
  /// own class. The candidates of all iterations together are then suppressed.
  std::vector<Detections> detect(const std::vector<at::Tensor>& maps,
                                 const std::vector<at::Tensor>& proposals,
                                 const std::vector<ImageSize>& sizes, const std::vector<Frame>& frames = {},
                                 SameCells same_cells = SameCells::each);

  /// What detect() chooses from, in no order and in network pixels: for who suppresses those of several
  /// views of an image together.
  std::vector<Detections> candidates(const std::vector<at::Tensor>& maps,
                                     const std::vector<at::Tensor>& proposals,
                                     const std::vector<ImageSize>& sizes,
                                     const std::vector<Frame>& frames = {},
                                     SameCells same_cells = SameCells::each);

  /// See BoxBranchImpl::begin_training(); candidates are matched as RoIs are.
  void begin_training(const TrainingSet& images, std::span<const std::string> plain) {
    branch_->begin_training(images, options_.matcher, plain);
  }

  const RoiHeadsOptions& options() const { return options_; }
  const BoxBranchOptions& branch_options() const { return branch_->options(); }
  const BoxBranchImpl& branch() const { return *branch_; }
  const RoiPoolerImpl& pooler() const { return *pooler_; }

 private:
  std::vector<at::Tensor> rois_of(const std::vector<at::Tensor>& boxes,
                                  const std::vector<Frame>& frames) const;
  BoxBranchImpl::Prediction predict(const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& boxes,
                                    const std::vector<Frame>& frames);
  BoxBranchImpl::Prediction predict_once(const std::vector<at::Tensor>& maps,
                                         const std::vector<at::Tensor>& boxes,
                                         const std::vector<Frame>& frames);
  std::vector<Detections> first_candidates(const std::vector<at::Tensor>& maps,
                                           const std::vector<at::Tensor>& proposals,
                                           const std::vector<ImageSize>& limits,
                                           const std::vector<Frame>& frames, SameCells same_cells);
  std::vector<Detections> all_candidates(const std::vector<at::Tensor>& maps,
                                         const std::vector<at::Tensor>& proposals,
                                         const std::vector<ImageSize>& sizes,
                                         const std::vector<Frame>& frames, SameCells same_cells);
  std::vector<Detections> refined(const std::vector<at::Tensor>& maps, const std::vector<Detections>& found,
                                  const std::vector<ImageSize>& limits, const std::vector<Frame>& frames);
  Detections with_size(const Detections& candidates, ImageSize size) const;

  RoiHeadsOptions options_;
  std::shared_ptr<RoiPoolerImpl> pooler_;
  BoxBranch branch_;
};
TORCH_MODULE(RoiHeads);

/// "roi" of a config's model: pooler {type = align, ...}, head {type = mlp, ...; svd: ranks
/// of the head's layers and of the predictor's, cls_score and bbox_pred}, and the keys of BoxBranchOptions
/// and RoiHeadsOptions; auxiliary is make_auxiliary_heads()'s. `features` are the maps that RoIs are pooled
/// from. The convention is the model's; a pooler's half-cell shift (aligned) has no meaning in pixels.
RCNN_EXPORT RoiHeads make_roi_heads(const config::Node& node, const std::vector<FeatureSpec>& features,
                                    int64_t num_classes,
                                    boxes::Convention convention = boxes::Convention::edges);

/// The same of a config's "model", which has "roi", for the `levels` that an extractor gives. Throws
/// MemoryError with what to lower.
RCNN_EXPORT RoiHeads make_roi_heads_of(const config::Node& model, const std::vector<FeatureSpec>& levels,
                                       int64_t num_classes);

/// ModelImpl::depends_on_classes() of a model in which the heads are "roi_heads".
RCNN_EXPORT bool roi_heads_depend_on_classes(std::string_view name);

/// ModelImpl::classes_in() of a model in which the heads are "roi_heads".
RCNN_EXPORT int64_t classes_in_roi_heads(const TensorMap& weights);

}  // namespace rcnn::nn
