#pragma once

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/model_file.h>

namespace rcnn {

/// A detector whose every answer is known: an object of label c is where channel c - 1 is bright, one box
/// around all of it. Runs out of memory on batches of more than `most_pixels` network pixels.
class ColourFinder : public nn::DetectionModelImpl {
 public:
  std::vector<nn::Loss> losses(const ImageBatch&, const std::vector<Target>&) override { return {}; }
  std::vector<Detections> detect(const ImageBatch& batch) override {
    sizes.push_back(batch.sizes);
    int64_t pixels = 0;
    for (const auto& size : batch.sizes) pixels += size.height * size.width;
    if (pixels > most_pixels) throw std::bad_alloc();
    TORCH_CHECK(!broken, "the network is broken");
    std::vector<Detections> all;
    for (size_t i = 0; i < batch.images.size(); ++i) all.push_back(find(batch.images[i], batch.sizes[i]));
    return all;
  }
  const nn::PixelOptions& pixels() const override { return pixels_; }
  const nn::SuppressionOptions& suppression() const override { return chosen; }

  nn::SuppressionOptions chosen;
  int64_t most_pixels = 1'000'000'000;
  double score = 0.9;
  bool broken = false;                        ///< every batch is an error
  std::vector<std::vector<ImageSize>> sizes;  ///< of each batch that it got

 private:
  Detections find(const at::Tensor& image, ImageSize network) const {
    std::vector<float> boxes, scores;
    std::vector<int64_t> labels;
    const auto scale_y = static_cast<double>(network.height) / static_cast<double>(image.size(0));
    const auto scale_x = static_cast<double>(network.width) / static_cast<double>(image.size(1));
    for (int64_t label = 1; label <= 3; ++label) {
      const auto bright = (image.select(2, label - 1) > 128).nonzero();
      if (bright.size(0) == 0) continue;
      const auto low = std::get<0>(bright.min(0)), high = std::get<0>(bright.max(0)) + 1;
      const auto at = [](const at::Tensor& corner, int64_t axis) {
        return static_cast<double>(corner[axis].item<int64_t>());
      };
      for (const double c :
           {at(low, 1) * scale_x, at(low, 0) * scale_y, at(high, 1) * scale_x, at(high, 0) * scale_y}) {
        boxes.push_back(static_cast<float>(c));
      }
      scores.push_back(static_cast<float>(score));
      labels.push_back(label);
    }
    return {torch::tensor(boxes).view({-1, 4}), torch::tensor(scores), torch::tensor(labels, at::kLong)};
  }

  nn::PixelOptions pixels_;
};

/// With images as they are up to 100 x 200 pixels.
inline nn::DescribedModel described(std::shared_ptr<ColourFinder> finder) {
  return {std::move(finder),
          {{.id = 1, .name = "red"}, {.id = 2, .name = "green"}, {.id = 3, .name = "blue"}},
          config::Config::parse(R"({"data": {"min_size": 100, "max_size": 200}})", "here")};
}

inline at::Tensor dark(int64_t height, int64_t width) {
  return at::zeros({height, width, 3}, at::kByte);
}

/// Makes a box of whole pixels bright in the channel of a label.
inline void paint(const at::Tensor& image, const Box& box, int64_t label) {
  image.slice(0, static_cast<int64_t>(box.y1), static_cast<int64_t>(box.y2))
      .slice(1, static_cast<int64_t>(box.x1), static_cast<int64_t>(box.x2))
      .select(2, label - 1)
      .fill_(255);
}

}  // namespace rcnn
