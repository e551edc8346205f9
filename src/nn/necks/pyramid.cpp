#include "nn/necks/pyramid.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

namespace rcnn::nn {

ConvNorm neck_conv(int64_t in, int64_t out, int64_t kernel, const NormOptions& norm, const NeckConv& what) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, kernel)
                              .stride(what.stride)
                              .padding(kernel / 2)
                              .groups(what.groups)
                              .bias(what.bias.value_or(norm.type == Norm::none)));
  torch::nn::init::kaiming_uniform_(layer->weight, 1);
  if (layer->bias.defined()) torch::nn::init::zeros_(layer->bias);
  return {layer, norm};
}

std::vector<FeatureSpec> pyramid_levels(const std::vector<FeatureSpec>& inputs, int64_t channels,
                                        int64_t extra, int64_t roi_levels) {
  std::vector<FeatureSpec> levels;
  for (const auto& input : inputs) levels.push_back({{'p', input.name.back()}, channels, input.stride});
  for (int64_t i = 0; i < extra; ++i) {
    const auto& before = levels.back();
    const char number = static_cast<char>(before.name.back() + 1);
    levels.push_back({{'p', number}, channels, 2 * before.stride});
  }
  for (size_t i = 0; i < levels.size(); ++i) levels[i].for_rois = static_cast<int64_t>(i) < roi_levels;
  return levels;
}

void read_roi_levels(const config::Node& neck, std::optional<int64_t>& roi_levels, int64_t levels) {
  if (!neck.has("roi_levels")) return;
  neck.read("roi_levels", roi_levels.emplace(), {.min = 1, .max = static_cast<double>(levels)});
}

void check_inputs(const config::Node& neck, const std::vector<FeatureSpec>& inputs, int64_t least,
                  int64_t most) {
  std::vector<int64_t> strides;
  bool doubles = true;
  for (const auto& input : inputs) {
    doubles = doubles && (strides.empty() || input.stride == 2 * strides.back());
    strides.push_back(input.stride);
  }
  const auto refuse = [&](const std::string& needs) {
    return neck.error("type",
                      fmt::format("{} needs {}, and model.backbone gives {} of strides {}: see its "
                                  "levels and c5_dilation",
                                  neck.require("type"), needs, strides.size(), fmt::join(strides, ", ")));
  };
  if (std::ssize(inputs) < least) throw refuse(fmt::format("{} maps at least", least));
  if (std::ssize(inputs) > most) throw refuse(fmt::format("{} maps at most", most));
  if (!doubles) throw refuse("maps each of which has twice the stride of the one before");
}

}  // namespace rcnn::nn
