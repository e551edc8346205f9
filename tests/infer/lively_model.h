#pragma once

#include <string>

#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/tiny_model.h"

namespace rcnn {

inline constexpr int64_t kLivelyClasses = 3;

/// A model without training whose answers still depend on the image: the last layers are scaled up. Images
/// are resized to 60 x 90.
inline nn::DescribedModel lively_model() {
  const auto model = tiny_model(kLivelyClasses, /*seed=*/5);
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : nn::state_of(*model)) {
    const bool last = name.find("cls_score.weight") != std::string::npos ||
                      name.find("bbox_pred.weight") != std::string::npos;
    if (last) at::Tensor(tensor).mul_(100);
  }
  return {
      model,
      {{.id = 10, .name = "a"}, {.id = 20, .name = "b"}, {.id = 30, .name = "c"}},
      config::Config::parse(
          std::string(R"({"data": {"min_size": 60, "max_size": 90}, "model": )") + kTinyModel + "}", "here")};
}

/// uint8 [height, width, 3]: patches of colour rather than noise, which every filter averages away.
inline at::Tensor patches(int64_t height, int64_t width, uint64_t seed) {
  torch::manual_seed(seed);
  const auto colours = torch::rand({1, 3, 6, 8}) * 255;
  return at::upsample_nearest2d(colours, {height, width})[0].permute({1, 2, 0}).to(at::kByte).contiguous();
}

}  // namespace rcnn
