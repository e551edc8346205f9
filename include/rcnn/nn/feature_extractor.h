#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>

namespace rcnn::nn {

class BackboneImpl;
class NeckImpl;

/// What a feature map is, known before any image: shapes flow from the code, not from configs.
struct RCNN_EXPORT FeatureSpec {
  std::string name;  ///< "c4", "p2"
  int64_t channels = 0;
  int64_t stride = 0;    ///< input pixels a cell
  bool for_rois = true;  ///< whether the RoI heads pool from it; the RPN uses all
};

/// What is made of images.
struct Features {
  std::vector<at::Tensor> maps;  ///< [N, channels, H, W], one for each level, finest first
  /// Maps on the way to them, such as a pyramid's 1x1 convolutions before their sums, for those who supervise
  /// these too: one for each of FeatureExtractorImpl::laterals() in training mode, none otherwise.
  std::vector<at::Tensor> laterals = {};
};

/// Turns images into feature maps: a backbone, a backbone with a neck, or what looks at the images twice.
class RCNN_EXPORT FeatureExtractorImpl : public torch::nn::Module {
 public:
  /// images   float [N, 3, H, W], normalised
  /// returns  one map for each of levels(), see BackboneImpl::forward() for their sizes
  virtual Features forward(const at::Tensor& images) = 0;

  /// What the maps are, finest first.
  virtual std::vector<FeatureSpec> levels() const = 0;

  /// What Features::laterals are, finest first; none, unless an extractor, or the neck in it, gives some.
  virtual std::vector<FeatureSpec> laterals() const { return {}; }

  /// What the height and the width of its input have to be multiples of: the stride of the coarsest level
  /// that RoIs are pooled from, unless an extractor, or the neck in it, says otherwise.
  virtual int64_t size_divisor() const;

  /// The smallest height and width of its input; 1 unless an extractor, or the backbone in it, says
  /// otherwise.
  virtual int64_t least_side() const { return 1; }
};

/// Those of a list, one for each of `levels`, that belong to levels which RoIs are pooled from.
template <class T>
std::vector<T> for_rois(const std::vector<T>& list, const std::vector<FeatureSpec>& levels) {
  std::vector<T> result;
  for (size_t i = 0; i < levels.size(); ++i) {
    if (levels[i].for_rois) result.push_back(list[i]);
  }
  return result;
}

/// The stride of the coarsest of these that RoIs are pooled from.
RCNN_EXPORT int64_t stride_for_rois(const std::vector<FeatureSpec>& levels);

/// A backbone, as "body", and a neck over it under a name of its own; or none, where `neck` is null.
RCNN_EXPORT std::shared_ptr<FeatureExtractorImpl> feature_extractor(std::shared_ptr<BackboneImpl> body,
                                                                    std::shared_ptr<NeckImpl> neck = nullptr,
                                                                    const std::string& neck_name = "neck");

/// The same from the keys of a config's "model": backbone {type, ...}, and neck {type, ...} where there is
/// one, whose name is its type. With legacy, see read_convention(), the backbone's poolings round up. Throws
/// ConfigError, and MemoryError with what to lower.
RCNN_EXPORT std::shared_ptr<FeatureExtractorImpl> make_feature_extractor(const config::Node& model);

/// Key size_divisor of a config's "model": what the input's height and width are padded to a multiple of; 32,
/// or the extractor's own where that is more; with legacy, see read_convention(), 1.
RCNN_EXPORT int64_t read_size_divisor(const config::Node& model, const FeatureExtractorImpl& extractor);

}  // namespace rcnn::nn
