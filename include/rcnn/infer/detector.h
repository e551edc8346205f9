#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include <rcnn/detection.h>
#include <rcnn/export.h>
#include <rcnn/infer/detector_options.h>

namespace cv {
class Mat;
}

namespace rcnn {

class TensorDetector;

/// Weights in, images in, plain structs out: detecting without a type of LibTorch.
///
/// An image is OpenCV's, 8 bits a channel: BGR as imread() gives it, BGRA, whose alpha is dropped, or grey.
/// Nothing here changes an instance, and one serves several threads at once. Copies share one model.
///
/// Every error is a rcnn::Error or one of its kinds, its what() one line: ConfigError for options,
/// WeightsError for the weight file, DataError for an image, MemoryError when memory runs out.
class RCNN_EXPORT Detector {
 public:
  /// Loads a weight file that describes itself: rcnn train wrote it, or rcnn weights convert with a config.
  static Detector load(const std::filesystem::path& weights, const DetectorOptions& options = {});

  /// The objects on an image, best score first, possibly none; boxes in its pixels and within it.
  std::vector<DetectedObject> detect(const cv::Mat& image) const;

  /// The same among proposals, in the image's pixels, for weights that need them: Fast R-CNN's. The others
  /// throw ConfigError for such weights, and this one for weights that make their own.
  std::vector<DetectedObject> detect(const cv::Mat& image, std::span<const Box> proposals) const;

  /// The same for several images of any sizes in one batch, an entry each.
  std::vector<std::vector<DetectedObject>> detect(std::span<const cv::Mat> images) const;

  /// The same for an image file, read as data::read_image() does: pixels as they are stored, whatever EXIF
  /// says of their orientation.
  std::vector<DetectedObject> detect(const std::filesystem::path& file) const;

  /// Detects on an empty image of the size, so that the first real one does not wait for what LibTorch makes
  /// once for each size.
  void warm_up(ImageSize image = {.height = 480, .width = 640}) const;

  /// What the weights can find, in the order of their labels.
  const std::vector<Category>& categories() const;

  /// The same detector for tensors.
  const TensorDetector& tensors() const { return *tensors_; }

 private:
  explicit Detector(std::shared_ptr<const TensorDetector> tensors);

  std::shared_ptr<const TensorDetector> tensors_;
};

}  // namespace rcnn
