#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <rcnn/data/transforms.h>
#include <rcnn/export.h>
#include <rcnn/nn/model_file.h>

namespace rcnn {

struct DetectorOptions {
  std::string device = "auto";  ///< "cpu", "cuda", or "auto": cuda when there is one
};

/// Weights in, images in, plain structs out. Safe to use from several threads at once: detect() changes
/// nothing.
class RCNN_EXPORT Detector {
 public:
  /// Loads a weight file that describes itself. Throws WeightsError.
  static Detector load(const std::filesystem::path& weights, const DetectorOptions& options = {});

  /// Uses a model at hand, in evaluation mode from here on; it is shared, not copied. Images are resized as
  /// the config's "data" says.
  Detector(const nn::DescribedModel& model, const at::Device& device);

  /// Objects on an image, uint8 [H, W, 3] RGB, best score first, in its pixels; the model's own score
  /// threshold and limits hold.
  std::vector<Detection> detect(const at::Tensor& image) const;

  /// The same for several images in one batch.
  std::vector<std::vector<Detection>> detect(std::span<const at::Tensor> images) const;

  /// What the region proposal network takes for an object of any class, best first, in the image's pixels:
  /// the score is its probability, the label 1. At most the config's model.rpn.test.post_nms. Throws
  /// ConfigError for a model without one.
  std::vector<Detection> proposals(const at::Tensor& image) const;

  /// Label l is categories()[l - 1].
  const std::vector<Category>& categories() const { return categories_; }

 private:
  using Find = std::vector<Detections> (nn::DetectionModelImpl::*)(const ImageBatch&);
  std::vector<std::vector<Detection>> run(Find find, std::span<const at::Tensor> images) const;

  std::shared_ptr<nn::DetectionModelImpl> model_;
  std::vector<Category> categories_;
  data::TransformOptions transform_;
  at::Device device_;
};

/// "auto", "cpu" or "cuda" as a device. Throws ConfigError for another word, and for cuda where there is
/// none.
RCNN_EXPORT at::Device parse_device(const std::string& name);

}  // namespace rcnn
