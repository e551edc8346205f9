#pragma once

#include <memory>
#include <vector>

#include <torch/nn/pimpl.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>

namespace rcnn::nn {

/// A grid of features that a pooler cuts out for each RoI, known before any image.
struct RCNN_EXPORT GridSpec {
  int64_t channels = 0;
  int64_t size = 0;  ///< its height and its width
};

/// Cuts RoIs out of feature maps. Made for the levels that RoIs are pooled from, finest first.
class RCNN_EXPORT RoiPoolerImpl : public torch::nn::Module {
 public:
  /// maps     [N, C, H, W], one a level
  /// boxes    float32 [K_i, 4] for each image, network pixels
  /// returns  [sum of K_i, channels, size, size] for each of grids(), image by image
  virtual std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps,
                                          const std::vector<at::Tensor>& boxes) = 0;

  /// What tells apart the RoIs of one image: a row for each of `boxes` [K, 4], where those of equal rows pool
  /// the same. Undefined for a pooler in which every box counts by itself.
  virtual at::Tensor cells(const at::Tensor& boxes) const;

  /// Whether the gradient flows into the boxes, too.
  virtual bool is_differentiable_in_boxes() const { return false; }

  /// One, or several where the box head is to see each RoI more than once: on every level, say.
  virtual std::vector<GridSpec> grids() const = 0;
};

/// How RoIs are cut out of feature maps.
struct RCNN_EXPORT RoiPoolerOptions {
  enum class Kind { align, pool } kind = Kind::align;
  int64_t size = 7;            ///< height and width of the output grid
  int64_t sampling_ratio = 2;  ///< of RoIAlign; 0 adapts it to each RoI
  bool aligned = false;        ///< RoIAlign with the half-cell shift
  /// Which level of a pyramid suits a RoI of area a, limited to what there is:
  /// torchvision  floor(4 + log2(sqrt(a) / 224) + 1e-6), where 2 is a map of stride 4 (FPN, equation 1);
  ///              detectron2's 1e-8 inside the logarithm tells otherwise only for sizes that fall short of a
  ///              power by less than a millionth
  /// mmdetection  floor(log2(sqrt(a) / 56 + 1e-6)), where 0 is the finest map, whatever its stride
  enum class LevelRule { torchvision, mmdetection } level_rule = LevelRule::torchvision;

  /// Keys: size, sampling_ratio, aligned. The others stay.
  void read(const config::Node& node);
};

/// Pools one grid for each RoI, from the level that suits its size (FPN, equation 1). Has no parameters.
class RCNN_EXPORT LevelPoolerImpl : public RoiPoolerImpl {
 public:
  /// Throws ConfigError for several levels with RoIPool, and for several whose strides are no powers of two
  /// that double from each to the next.
  LevelPoolerImpl(const std::vector<FeatureSpec>& features, const RoiPoolerOptions& options);

  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps,
                                  const std::vector<at::Tensor>& boxes) override;
  /// For RoIPool float64 [K, 4]: first and last cell, left, top, right, bottom.
  at::Tensor cells(const at::Tensor& boxes) const override;
  bool is_differentiable_in_boxes() const override { return options_.kind == RoiPoolerOptions::Kind::align; }
  std::vector<GridSpec> grids() const override { return {{channels_, options_.size}}; }

  /// int64 [K], 0 for the finest: see RoiPoolerOptions::LevelRule.
  at::Tensor levels(const at::Tensor& boxes) const;

 private:
  RoiPoolerOptions options_;
  int64_t channels_;
  std::vector<double> scales_;  // feature cells per pixel, one a level
};
TORCH_MODULE(LevelPooler);

/// Keys: those of RoiPoolerOptions, and of RoIAlign level_rule (torchvision, mmdetection).
RCNN_EXPORT std::shared_ptr<RoiPoolerImpl> make_level_pooler(RoiPoolerOptions::Kind kind,
                                                             const config::Node& node,
                                                             const std::vector<FeatureSpec>& features);

}  // namespace rcnn::nn
