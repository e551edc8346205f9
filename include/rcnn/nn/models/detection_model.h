#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/models/suppression.h>
#include <rcnn/nn/pixels.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// One part of what training minimises.
struct Loss {
  std::string name;  ///< torchvision's: loss_objectness, loss_rpn_box_reg, loss_classifier, loss_box_reg
  at::Tensor value;  ///< float32 scalar
};

/// A detector that learns from boxes and finds them: what the trainer and the inference facade work with.
class RCNN_EXPORT DetectionModelImpl : public torch::nn::Module {
 public:
  /// The losses of a batch, to be summed: one at least, the same names in the same order each time. Their
  /// gradients flow into parameters(). `targets` has one entry an image, on the images' device.
  virtual std::vector<Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) = 0;

  /// Detections of each image, best first, in network pixels. Call under eval() and without gradients.
  virtual std::vector<Detections> detect(const ImageBatch& images) = 0;

  /// What a detector in two stages takes for an object of any class, best first, in network pixels: the score
  /// is its probability, the label 1. Call like detect(). Throws ConfigError where the model proposes
  /// nothing.
  virtual std::vector<Detections> proposals(const ImageBatch& images);

  virtual const PixelOptions& pixels() const = 0;

  /// How detect() chooses among candidates: for who merges detections of several views of one image.
  virtual const SuppressionOptions& suppression() const = 0;
};

/// Makes the detector that a config's "model" describes, with fresh weights. `num_classes` comes from the
/// data set; background is not counted. Throws ConfigError.
RCNN_EXPORT std::shared_ptr<DetectionModelImpl> make_detection_model(const config::Node& model,
                                                                     int64_t num_classes);

}  // namespace rcnn::nn
