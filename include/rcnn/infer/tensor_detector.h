#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <rcnn/data/loading/transforms.h>
#include <rcnn/export.h>
#include <rcnn/infer/detector_options.h>
#include <rcnn/types.h>

namespace rcnn {

namespace config {
class Config;
}

namespace nn {
class DetectionModelImpl;
struct DescribedModel;
}  // namespace nn

/// What the options change in the description of the model in a weight file, as "model.key=value": for
/// nn::load_model(). Throws ConfigError, which names the file, for what such a model has not.
RCNN_EXPORT std::vector<std::string> overrides_of(const DetectorOptions& options,
                                                  const config::Config& description,
                                                  const std::filesystem::path& weights);

/// The door for those who have tensors: images in, boxes, scores and labels out. Safe to use from several
/// threads at once: detecting changes nothing. Detector is the same for OpenCV's images and for files.
class RCNN_EXPORT TensorDetector {
 public:
  /// Loads a weight file that describes itself and makes the model one that only detects, see
  /// nn::prepare_for_inference(). Throws WeightsError for the file, ConfigError for the options.
  static TensorDetector load(const std::filesystem::path& weights, const DetectorOptions& options = {});

  /// Uses a model at hand as it is, in evaluation mode from here on; it is shared, not copied. Images are
  /// resized as the config's "data" and the model's own pixels say.
  TensorDetector(const nn::DescribedModel& model, const at::Device& device, const ViewOptions& views = {},
                 int64_t view_batch = 1);

  /// Takes over a model that nobody else holds, else throws c10::Error, and makes it one that only detects,
  /// as load() does. Of the options device, precision, views and max_megapixels count; what suppresses
  /// detections is as the model was made.
  TensorDetector(nn::DescribedModel&& model, const DetectorOptions& options);

  /// Objects on an image, uint8 [H, W, 3] RGB on any device, best score first: boxes in the image's pixels,
  /// within it. Tensors of D rows, possibly 0, on the detector's device. Throws c10::Error for what is no
  /// image, DataError when the network would see it too large, see check_views().
  Detections detect(const at::Tensor& image) const;

  /// The same for several images in one batch; none give none. Where the options ask for several views
  /// (infer/views.h) those of all images go through the network, so many of one size at once, and what an
  /// image's views show becomes its detections by the model's own nn::suppress().
  std::vector<Detections> detect(std::span<const at::Tensor> images) const;

  /// The same with what may be objects on each image: float32 [P, 4] in the image's pixels, P may be 0; what
  /// lies outside the image is clipped off. For a model that needs_proposals(), which the other two throw
  /// ConfigError for, as this one does for a model that makes its own. Of several scales each proposal is
  /// looked at in one, see proposals_of() in infer/views.h. Throws c10::Error for proposals in another number
  /// than images, of another shape or type, or not finite.
  std::vector<Detections> detect(std::span<const at::Tensor> images,
                                 std::span<const at::Tensor> proposals) const;

  /// Whether the model finds objects among proposals that it is given: Fast R-CNN.
  bool needs_proposals() const;

  /// Whether what it finds are proposals, see nn::DetectionModelImpl.
  bool finds_proposals() const;

  /// What the region proposal network takes for an object of any class, best first: the score is its
  /// probability, the label 1. At most the config's model.rpn.test.post_nms. Throws ConfigError for a model
  /// without one.
  Detections proposals(const at::Tensor& image) const;

  /// Label l is categories()[l - 1].
  const std::vector<Category>& categories() const { return categories_; }

  const at::Device& device() const { return device_; }

  /// What an image of the size is resized to for the network.
  ImageSize network_size(ImageSize image) const;

  /// Throws the DataError that detecting on an image of the size would, see check_views() in infer/views.h.
  void check_views(ImageSize image) const;

  /// Bound for those who decode images for it, in millions of pixels, see DetectorOptions.
  int64_t max_megapixels() const { return max_megapixels_; }

 private:
  using Find = std::vector<Detections> (nn::DetectionModelImpl::*)(const ImageBatch&);
  std::vector<Detections> find(std::span<const at::Tensor> images,
                               std::span<const at::Tensor> proposals) const;
  std::vector<Detections> run(Find find, std::span<const at::Tensor> images,
                              std::span<const at::Tensor> proposals) const;
  std::vector<Detections> detect_views(std::span<const at::Tensor> images,
                                       std::span<const at::Tensor> proposals) const;
  void bound_megapixels(int64_t of_images, int64_t of_views);

  std::shared_ptr<nn::DetectionModelImpl> model_;
  std::vector<Category> categories_;
  data::TransformOptions transform_;
  at::Device device_;
  nn::Precision precision_ = nn::Precision::fp32;
  ViewOptions views_;
  int64_t view_batch_ = 1;
  int64_t max_megapixels_ = 0, max_view_megapixels_ = 0;
};

/// One struct a row, in their order.
RCNN_EXPORT std::vector<Detection> to_list(const Detections& detections);

}  // namespace rcnn
