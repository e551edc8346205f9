#pragma once

#include <memory>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/pixels.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// What the models of the two-stage family begin with: the way from images to feature maps.
///
/// LibTorch's profilers see the parts of such a model as ranges of the user's scope: rcnn::backbone,
/// rcnn::rpn (its head, decoding and NMS), rcnn::roi_heads and, in a training, rcnn::auxiliary_heads.
struct RCNN_EXPORT Trunk {
  std::shared_ptr<FeatureExtractorImpl> extractor;
  PixelOptions pixels = {};
  int64_t size_divisor = 32;  ///< the input's height and width are padded to multiples of it

  /// What the extractor makes of images. `parameter` is one of the model's: it says where the model is, and
  /// in what precision it computes.
  Features features(const ImageBatch& images, const at::Tensor& parameter) const;

  /// The maps alone, one for each of the extractor's levels().
  std::vector<at::Tensor> maps(const ImageBatch& images, const at::Tensor& parameter) const {
    return features(images, parameter).maps;
  }
};

/// Keys of a config's `model`: legacy, see read_convention(), pixels {...}, backbone {type, ...}, neck {type,
/// ...} (optional), size_divisor (32, or the coarsest map's stride where that is more). Throws ConfigError,
/// and MemoryError with what to lower.
RCNN_EXPORT Trunk make_trunk(const config::Node& model);

}  // namespace rcnn::nn
