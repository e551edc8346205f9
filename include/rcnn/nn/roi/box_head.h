#pragma once

#include <memory>
#include <vector>

#include <torch/nn/modules/linear.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/roi/pooler.h>

namespace rcnn::nn {

/// Turns what a pooler gives into one vector a RoI.
class RCNN_EXPORT BoxHeadImpl : public torch::nn::Module {
 public:
  /// [K, C, size, size] for each of the pooler's grids() -> [K, channels()]
  virtual at::Tensor forward(const std::vector<at::Tensor>& grids) = 0;
  virtual int64_t channels() const = 0;
};

/// Two fully connected layers, fc6 and fc7; VGG16's head is hidden 4096, dropout 0.5. Keys: hidden = 1024,
/// dropout = 0. This head and the other two take one grid: ConfigError for several.
RCNN_EXPORT std::shared_ptr<BoxHeadImpl> make_mlp_head(const config::Node& node,
                                                       const std::vector<GridSpec>& grids);

/// 3x3 convolutions, each with its norm and ReLU, then one fully connected layer: torchvision's
/// FastRCNNConvFCHead under its names (0.0, 0.1, 1.0, ..., and 5 for the layer behind four). Keys: convs = 4,
/// channels = 256, hidden = 1024, norm = none (frozen, batch), norm_eps.
RCNN_EXPORT std::shared_ptr<BoxHeadImpl> make_conv_head(const config::Node& node,
                                                        const std::vector<GridSpec>& grids);

/// The last stage of a ResNet as layer4, then the mean over the grid. Keys: depth = 50 and those of
/// ResNetShape.
RCNN_EXPORT std::shared_ptr<BoxHeadImpl> make_res5_head(const config::Node& node,
                                                        const std::vector<GridSpec>& grids);

/// Class scores and box deltas from a RoI's vector (Fast R-CNN, section 2.1). torchvision's names, cls_score
/// and bbox_pred, and its initialisation: the linear layer's own. The paper's N(0, 0.001) for bbox_pred
/// passes next to no gradient on to the layers before it at first, which short schedules pay for.
class RCNN_EXPORT BoxPredictorImpl : public torch::nn::Module {
 public:
  BoxPredictorImpl(int64_t channels, int64_t num_classes, bool class_agnostic);

  /// What it says of K RoIs.
  struct Output {
    at::Tensor scores;  ///< [K, C + 1] logits, background first
    at::Tensor deltas;  ///< [K, C + 1, 4], or [K, 1, 4] when class-agnostic
  };
  Output forward(const at::Tensor& x);

 private:
  torch::nn::Linear cls_score_ = nullptr, bbox_pred_ = nullptr;
};
TORCH_MODULE(BoxPredictor);

}  // namespace rcnn::nn
