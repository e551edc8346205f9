#include <algorithm>
#include <array>
#include <map>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/backbones/resnet.h>

namespace rcnn::nn {
namespace {

torch::nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  torch::nn::Conv2d layer(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
  torch::nn::init::kaiming_normal_(layer->weight, 0, torch::kFanOut, torch::kReLU);
  return layer;
}

/// Blocks of stages 1..4 by depth.
const std::map<int64_t, std::array<int64_t, 4>> kBlocks = {
    {18, {2, 2, 2, 2}}, {34, {3, 4, 6, 3}}, {50, {3, 4, 6, 3}}, {101, {3, 4, 23, 3}}, {152, {3, 8, 36, 3}}};

void freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(false);
}

/// "c2" -> 1
int stage_of(const std::string& level) {
  return level[1] - '1';
}

}  // namespace

bool ResNetShape::has_depth(int64_t depth) {
  return kBlocks.contains(depth);
}

int64_t ResNetShape::channels(int stage) const {
  if (stage == 0) return width;
  return (width << (stage - 1)) * (bottleneck() ? 4 : 1);
}

ResidualBlockImpl::ResidualBlockImpl(int64_t in_channels, int64_t width, int64_t stride, bool bottleneck) {
  const auto add = [this](int64_t in, int64_t out, int64_t kernel, int64_t conv_stride) {
    const auto number = path_.size() + 1;
    path_.emplace_back(register_module(fmt::format("conv{}", number), conv(in, out, kernel, conv_stride)),
                       register_module(fmt::format("bn{}", number), FrozenBatchNorm(out)));
  };
  const int64_t out_channels = bottleneck ? 4 * width : width;
  if (bottleneck) {
    add(in_channels, width, 1, 1);
    add(width, width, 3, stride);
    add(width, out_channels, 1, 1);
  } else {
    add(in_channels, width, 3, stride);
    add(width, out_channels, 3, 1);
  }
  if (stride != 1 || in_channels != out_channels) {
    shortcut_.emplace(conv(in_channels, out_channels, 1, stride), FrozenBatchNorm(out_channels));
    register_module("downsample", torch::nn::Sequential(shortcut_->first, shortcut_->second));
  }
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  auto y = x;
  for (size_t i = 0; i + 1 < path_.size(); ++i) y = conv_norm(path_[i].first, path_[i].second, y).relu_();
  y = conv_norm(path_.back().first, path_.back().second, y);
  y += shortcut_ ? conv_norm(shortcut_->first, shortcut_->second, x) : x;
  return y.relu_();
}

torch::nn::Sequential make_resnet_stage(const ResNetShape& shape, int stage) {
  torch::nn::Sequential blocks;
  const int64_t width = shape.width << (stage - 1);
  blocks->push_back(ResidualBlock(shape.channels(stage - 1), width, stage == 1 ? 1 : 2, shape.bottleneck()));
  for (int64_t block = 1; block < kBlocks.at(shape.depth)[stage - 1]; ++block) {
    blocks->push_back(ResidualBlock(shape.channels(stage), width, 1, shape.bottleneck()));
  }
  return blocks;
}

ResNetImpl::ResNetImpl(const ResNetOptions& options) {
  for (const auto& level : options.levels) {
    const int stage = stage_of(level);
    features_.push_back({level, options.shape.channels(stage), int64_t{2} << stage});
  }
  conv1_ = register_module("conv1", conv(3, options.shape.width, 7, 2));
  bn1_ = register_module("bn1", FrozenBatchNorm(options.shape.width));
  if (options.frozen_stages > 0) freeze(*conv1_);
  for (int stage = 1; stage <= stage_of(options.levels.back()); ++stage) {
    stages_.push_back(
        register_module(fmt::format("layer{}", stage), make_resnet_stage(options.shape, stage)));
    if (options.frozen_stages > stage) freeze(*stages_.back());
  }
}

std::vector<at::Tensor> ResNetImpl::forward(const at::Tensor& images) {
  std::vector<at::Tensor> maps;
  auto x = conv_norm(conv1_, bn1_, images).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    x = stages_[stage]->forward(x);
    if (features_[maps.size()].name == fmt::format("c{}", stage + 2)) maps.push_back(x);
  }
  return maps;
}

std::shared_ptr<BackboneImpl> make_resnet(int64_t depth, const config::Node& node) {
  ResNetOptions options{.shape = {.depth = depth}};
  node.read("width", options.shape.width, {.min = 1});
  node.read("levels", options.levels);
  node.read("frozen_stages", options.frozen_stages, {.min = 0, .max = 5});
  const std::vector<std::string> all = {"c2", "c3", "c4", "c5"};
  if (options.levels.empty() ||
      !std::includes(all.begin(), all.end(), options.levels.begin(), options.levels.end()) ||
      std::adjacent_find(options.levels.begin(), options.levels.end()) != options.levels.end()) {
    throw node.error("levels", "must be some of c2, c3, c4, c5, in this order");
  }
  return std::make_shared<ResNetImpl>(options);
}

}  // namespace rcnn::nn
