#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <torch/nn/pimpl.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/svd_linear.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/nn/roi/target_statistics.h>

namespace rcnn::nn {

/// Turns what a pooler gives into one vector a RoI.
class RCNN_EXPORT BoxHeadImpl : public torch::nn::Module {
 public:
  /// [K, C, size, size] for each of the pooler's grids() -> [K, channels()]
  virtual at::Tensor forward(const std::vector<at::Tensor>& grids) = 0;
  virtual int64_t channels() const = 0;
};

/// Two fully connected layers, fc6 and fc7; VGG16's head is hidden 4096, dropout 0.5. Keys: hidden = 1024, or
/// a list of two for fc6 and fc7; dropout = 0; dropout_scaling = training: what is left is scaled up by
/// 1 / (1 - dropout); or inference: training drops alone, and otherwise activations are scaled down by
/// (1 - dropout), as in Caffe with scale_train false, which ZF's weights learnt with; svd (an object: ranks
/// of fc6 and fc7, see SvdLinear). This head and the next two take one grid: ConfigError for several.
RCNN_EXPORT std::shared_ptr<BoxHeadImpl> make_mlp_head(const config::Node& node,
                                                       const std::vector<GridSpec>& grids);

/// 3x3 convolutions, each with its norm and ReLU, then one fully connected layer: torchvision's
/// FastRCNNConvFCHead under its names (0.0, 0.1, 1.0, ..., and 5 for the layer behind four). Keys: convs = 4,
/// channels = 256, hidden = 1024, those of NormOptions with norm = none, svd (the rank of the last layer,
/// under its name: 5).
RCNN_EXPORT std::shared_ptr<BoxHeadImpl> make_conv_head(const config::Node& node,
                                                        const std::vector<GridSpec>& grids);

/// The last stage of a ResNet as layer4, then the mean over the grid. Keys: depth = 50 and those of
/// ResNetShape.
RCNN_EXPORT std::shared_ptr<BoxHeadImpl> make_res5_head(const config::Node& node,
                                                        const std::vector<GridSpec>& grids);

/// Of the predictor's layers by truncated SVD, see SvdLinear; 0: whole.
struct BoxPredictorRanks {
  int64_t cls_score = 0, bbox_pred = 0;
};

/// Class scores and box deltas from a RoI's vector (Fast R-CNN, section 2.1). torchvision's names, cls_score
/// and bbox_pred, and its initialisation: the linear layer's own. The paper's, N(0, 0.01) for scores,
/// N(0, 0.001) for deltas, biases 0, passes next to no gradient on from the deltas to the layers before at
/// first, which short schedules pay for: initialise_as_published().
class RCNN_EXPORT BoxPredictorImpl : public torch::nn::Module {
 public:
  BoxPredictorImpl(int64_t channels, int64_t num_classes, bool class_agnostic,
                   const BoxPredictorRanks& ranks = {});

  /// What it says of K RoIs.
  struct Output {
    at::Tensor scores;  ///< [K, C + 1] logits, background first
    at::Tensor deltas;  ///< [K, C + 1, 4], or [K, 1, 4] when class-agnostic
  };
  Output forward(const at::Tensor& x);

  void initialise_as_published();

  /// From here on the deltas are those of normalised targets, by statistics of its classes, which become
  /// buffers: target_mean and target_std. A weight and a bias whose names are in `plain` are changed so that
  /// they mean the same as before: W <- W / std, b <- (b - mean) / std.
  void normalise_targets(const TargetStatistics& statistics, std::span<const std::string> plain);

  int64_t num_classes() const { return cls_score_.out() - 1; }

  /// float32 [C + 1, 4]; undefined where targets are not normalised.
  const at::Tensor& target_mean() const { return target_mean_; }
  const at::Tensor& target_std() const { return target_std_; }  ///< See target_mean().

 private:
  SvdLinear cls_score_, bbox_pred_;
  at::Tensor target_mean_, target_std_;
};
TORCH_MODULE(BoxPredictor);

}  // namespace rcnn::nn
