#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/feature_extractor.h>

namespace rcnn::nn {

/// What a neck is made over.
struct RCNN_EXPORT NeckInputs {
  std::vector<FeatureSpec> features;  ///< the backbone's maps
  /// The backbone, for necks that it has to know of; set where a neck is made from a config.
  std::shared_ptr<BackboneImpl> body = nullptr;
  /// Makes one more backbone of the same config, for necks that look at the images again with weights of
  /// their own.
  std::function<std::shared_ptr<BackboneImpl>()> another_body = {};
};

/// Turns a backbone's feature maps into the maps that the RPN and the RoI heads see.
class RCNN_EXPORT NeckImpl : public torch::nn::Module {
 public:
  /// The backbone's maps in, one map for each of features() out, finest first.
  virtual std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) = 0;

  /// Which of the maps RoIs are pooled from each says itself.
  virtual std::vector<FeatureSpec> features() const = 0;

  /// What Features::laterals are, finest first; none, unless a neck gives some.
  virtual std::vector<FeatureSpec> laterals() const { return {}; }

  /// What the height and the width of images have to be multiples of: the stride of the coarsest level that
  /// RoIs are pooled from, unless a neck says otherwise.
  virtual int64_t size_divisor() const;

  /// The whole way from the images on, see FeatureExtractorImpl::forward(): the backbone's maps through
  /// forward(). To be overridden by a neck that looks at the images more than once, or that gives laterals.
  virtual Features extract(const at::Tensor& images, BackboneImpl& body);
};

}  // namespace rcnn::nn
