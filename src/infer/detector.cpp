#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/error.h>
#include <rcnn/infer/detector.h>
#include <rcnn/infer/tensor_detector.h>

namespace rcnn {
namespace {

/// uint8 [H, W, 3] RGB.
at::Tensor to_tensor(const cv::Mat& image) {
  if (image.empty()) throw DataError("an image is empty; imread() gives that for what it cannot read");
  if (image.dims != 2 || image.depth() != CV_8U) {
    throw DataError(fmt::format("an image must have 8 bits a channel, got {}; convert it",
                                cv::typeToString(image.type())));
  }
  const auto tensor = at::empty({image.rows, image.cols, 3}, at::kByte);
  cv::Mat pixels(image.rows, image.cols, CV_8UC3, tensor.data_ptr());
  switch (image.channels()) {
    case 1:
      cv::cvtColor(image, pixels, cv::COLOR_GRAY2RGB);
      break;
    case 3:
      cv::cvtColor(image, pixels, cv::COLOR_BGR2RGB);
      break;
    case 4:
      cv::cvtColor(image, pixels, cv::COLOR_BGRA2RGB);
      break;
    default:
      throw DataError(
          fmt::format("an image must have 1, 3 or 4 channels (grey, BGR, BGRA), got {}", image.channels()));
  }
  return tensor;
}

std::vector<DetectedObject> to_objects(const Detections& detections,
                                       const std::vector<Category>& categories) {
  std::vector<DetectedObject> objects;
  for (const auto& [box, score, label] : to_list(detections)) {
    const auto& category = categories[static_cast<size_t>(label - 1)];
    objects.push_back({.box = box, .score = score, .class_id = category.id, .class_name = category.name});
  }
  return objects;
}

/// What LibTorch throws has a backtrace in it and no one type for a lack of memory.
template <class Action>
auto with_one_line(Action action) {
  try {
    return action();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) {
      throw MemoryError("memory ran out; give fewer or smaller images at once, or lower data.max_size");
    }
    const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
    throw Error(of_torch ? of_torch->what_without_backtrace() : error.what(), 1);
  }
}

}  // namespace

Detector Detector::load(const std::filesystem::path& weights, const DetectorOptions& options) {
  return with_one_line([&] {
    return Detector(std::make_shared<const TensorDetector>(TensorDetector::load(weights, options)));
  });
}

Detector::Detector(std::shared_ptr<const TensorDetector> tensors) : tensors_(std::move(tensors)) {}

std::vector<DetectedObject> Detector::detect(const cv::Mat& image) const {
  return detect(std::span(&image, 1)).front();
}

std::vector<DetectedObject> Detector::detect(const cv::Mat& image, std::span<const Box> proposals) const {
  return with_one_line([&] {
    const auto pixels = to_tensor(image);
    const auto boxes = data::to_tensor(proposals);
    const auto found = tensors_->detect(std::span(&pixels, 1), std::span(&boxes, 1)).front();
    return to_objects(found, categories());
  });
}

std::vector<std::vector<DetectedObject>> Detector::detect(std::span<const cv::Mat> images) const {
  return with_one_line([&] {
    std::vector<at::Tensor> tensors;
    for (const auto& image : images) tensors.push_back(to_tensor(image));
    std::vector<std::vector<DetectedObject>> objects;
    for (const auto& found : tensors_->detect(tensors)) objects.push_back(to_objects(found, categories()));
    return objects;
  });
}

std::vector<DetectedObject> Detector::detect(const std::filesystem::path& file) const {
  return with_one_line([&] {
    const auto image = data::read_image(file, tensors_->max_megapixels());
    try {
      return to_objects(tensors_->detect(image), categories());
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}: {}", file.string(), error.what()));
    }
  });
}

void Detector::warm_up(ImageSize image) const {
  with_one_line([&] {
    const auto pixels = at::zeros({image.height, image.width, 3}, at::kByte);
    if (!tensors_->needs_proposals()) return tensors_->detect(pixels);
    const auto whole =
        at::tensor({int64_t{0}, int64_t{0}, image.width, image.height}, at::kFloat).view({1, 4});
    return tensors_->detect(std::span(&pixels, 1), std::span(&whole, 1)).front();
  });
}

const std::vector<Category>& Detector::categories() const {
  return tensors_->categories();
}

}  // namespace rcnn
