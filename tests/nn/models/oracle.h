#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <rcnn/nn/weights/weights.h>
#include <rcnn/types.h>

/// What tests/oracle/make_faster_rcnn.py and make_fast_rcnn.py give to torchvision's models.
namespace rcnn::nn {

/// The oracle's integer hash: uniform numbers in [-1, 1).
inline double noise(uint32_t index, uint32_t stream) {
  uint32_t h = index * 2654435761u + stream * 40503u + 12345u;
  h = (h ^ (h >> 15)) * 2246822519u;
  h = (h ^ (h >> 13)) * 3266489917u;
  return (h ^ (h >> 16)) / 2147483648.0 - 1;
}

/// The oracle's weights.
inline void fill(torch::nn::Module& model) {
  const std::vector<std::pair<std::string, double>> gains = {
      {"box_predictor.cls_score", 0.7}, {"box_predictor.bbox_pred", 1.0}, {"rpn.head.bbox_pred", 0.3}};
  const torch::NoGradGuard no_grad;
  uint32_t stream = 0;
  for (auto& [name, tensor] : state_of(model)) {
    double scale = 0.1, offset = 0;
    if (tensor.dim() > 1) {
      double gain = 1;
      for (const auto& [part, value] : gains) {
        if (name.find(part) != std::string::npos) gain = value;
      }
      scale =
          gain * std::sqrt(3.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(tensor.numel()));
    } else if (name.ends_with("running_var") || name.ends_with("weight")) {
      scale = 0.2, offset = 1;
    }
    auto values = torch::empty(tensor.numel());
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      values.data_ptr<float>()[i] =
          static_cast<float>(offset + scale * noise(static_cast<uint32_t>(i), stream));
    }
    at::Tensor(tensor).copy_(values.view(tensor.sizes()));
    ++stream;
  }
}

inline at::Tensor image(int64_t height, int64_t width, int64_t seed) {
  auto pixels = torch::empty({height, width, 3}, torch::kByte);
  auto pixel = pixels.accessor<uint8_t, 3>();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        pixel[y][x][c] = static_cast<uint8_t>((3 * x + 5 * y * (c + 1) + x * y / 7 + seed) % 256);
      }
    }
  }
  return pixels;
}

/// The oracle's two images, which need no resizing.
inline ImageBatch oracle_images() {
  return {{image(64, 96, 0), image(64, 80, 50)}, {{64, 96}, {64, 80}}};
}

inline std::vector<Target> targets(const nlohmann::json& list) {
  std::vector<Target> result;
  for (const auto& entry : list) {
    const auto count = static_cast<int64_t>(entry.at("labels").size());
    Target target{torch::zeros({count, 4}), torch::zeros({count}, torch::kLong), torch::zeros({0, 4})};
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t c = 0; c < 4; ++c) target.boxes[i][c] = entry.at("boxes")[i][c].get<float>();
      target.labels[i] = entry.at("labels")[i].get<int64_t>();
    }
    result.push_back(target);
  }
  return result;
}

}  // namespace rcnn::nn
