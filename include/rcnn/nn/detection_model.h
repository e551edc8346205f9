#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include <rcnn/config/node.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// One part of what training minimises.
struct Loss {
  std::string name;  ///< torchvision's: loss_objectness, loss_rpn_box_reg, loss_classifier, loss_box_reg
  at::Tensor value;  ///< float32 scalar
};

/// What the network makes of pixels before its first layer.
struct PixelOptions {
  std::array<double, 3> mean = {0.485, 0.456, 0.406};  ///< RGB, of pixels in 0..1
  std::array<double, 3> std = {0.229, 0.224, 0.225};

  /// Keys: mean, std.
  static PixelOptions from(const config::Node& node);
};

/// Normalises a batch: (pixel / 255 - mean) / std, and zeros where the padding is. Returns float32 [N, 3, H,
/// W] in channels_last on the pixels' device.
at::Tensor normalize(const ImageBatch& batch, const PixelOptions& options);

/// A detector that learns from boxes and finds them: what the trainer and the inference facade work with.
class DetectionModelImpl : public torch::nn::Module {
 public:
  /// The losses of a batch, at least one, to be summed; their gradients flow into parameters(). `targets` has
  /// one entry an image, on the images' device.
  virtual std::vector<Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) = 0;

  /// Detections of each image, best first, in network pixels. Call under eval() and without gradients.
  virtual std::vector<Detections> detect(const ImageBatch& images) = 0;

  /// Heights and widths of batches must be multiples of this.
  virtual int64_t size_divisor() const = 0;

  virtual const PixelOptions& pixels() const = 0;
};

/// Makes the detector that a config's "model" describes, with fresh weights. `num_classes` comes from the
/// data set; background is not counted. Throws ConfigError.
std::shared_ptr<DetectionModelImpl> make_detection_model(const config::Node& model, int64_t num_classes);

}  // namespace rcnn::nn
