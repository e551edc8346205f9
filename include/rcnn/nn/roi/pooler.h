#pragma once

#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/backbones/backbone.h>

namespace rcnn::nn {

/// How RoIs are cut out of feature maps.
struct RCNN_EXPORT RoiPoolerOptions {
  enum class Kind { align, pool } kind = Kind::align;
  int64_t size = 7;            ///< height and width of the output grid
  int64_t sampling_ratio = 2;  ///< of RoIAlign; 0 adapts it to each RoI
  bool aligned = false;        ///< RoIAlign with the half-cell shift

  /// Keys: type (align, pool), size, sampling_ratio, aligned.
  static RoiPoolerOptions from(const config::Node& node);
};

/// Pools a fixed grid of features for each RoI, from the level that suits its size (FPN, equation 1).
class RCNN_EXPORT RoiPooler {
 public:
  /// `features` are the maps it will see, finest first. Throws ConfigError for several levels with RoIPool,
  /// and for several whose strides are no powers of two that double from each to the next.
  RoiPooler(const std::vector<FeatureSpec>& features, const RoiPoolerOptions& options);

  /// maps     [N, C, H, W], one a level
  /// boxes    float32 [K_i, 4] for each image, network pixels
  /// returns  [sum of K_i, C, size, size], image by image
  at::Tensor operator()(const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& boxes) const;

  /// int64 [K]: floor(4 + log2(sqrt(area) / 224) + 1e-6) as a level number, limited to what there is, 0 for
  /// the finest. The 1e-6 is torchvision's; detectron2's 1e-8 inside the logarithm tells otherwise only for
  /// sizes that fall short of a power by less than a millionth.
  at::Tensor levels(const at::Tensor& boxes) const;

 private:
  RoiPoolerOptions options_;
  std::vector<double> scales_;  // feature cells per pixel, one a level
};

}  // namespace rcnn::nn
