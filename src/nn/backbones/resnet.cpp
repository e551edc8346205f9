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

void freeze(const torch::nn::Module& module) {
  for (const auto& parameter : module.parameters()) parameter.set_requires_grad(false);
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

ResidualBlockImpl::ResidualBlockImpl(int64_t in_channels, int64_t width, int64_t stride, bool bottleneck,
                                     Norm norm) {
  const auto add = [&](int64_t in, int64_t out, int64_t kernel, int64_t conv_stride) {
    path_.emplace_back(conv(in, out, kernel, conv_stride), norm);
    register_module(fmt::format("conv{}", path_.size()), path_.back().conv());
    register_module(fmt::format("bn{}", path_.size()), path_.back().norm());
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
    shortcut_.emplace(conv(in_channels, out_channels, 1, stride), norm);
    const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
    downsample->register_module("0", shortcut_->conv());
    downsample->register_module("1", shortcut_->norm());
  }
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  auto y = x;
  for (size_t i = 0; i + 1 < path_.size(); ++i) y = path_[i](y).relu_();
  y = path_.back()(y);
  y += shortcut_ ? (*shortcut_)(x) : x;
  return y.relu_();
}

torch::nn::Sequential make_resnet_stage(const ResNetShape& shape, int stage) {
  torch::nn::Sequential blocks;
  const int64_t width = shape.width << (stage - 1);
  blocks->push_back(
      ResidualBlock(shape.channels(stage - 1), width, stage == 1 ? 1 : 2, shape.bottleneck(), shape.norm));
  for (int64_t block = 1; block < kBlocks.at(shape.depth)[stage - 1]; ++block) {
    blocks->push_back(ResidualBlock(shape.channels(stage), width, 1, shape.bottleneck(), shape.norm));
  }
  return blocks;
}

ResNetImpl::ResNetImpl(const ResNetOptions& options) {
  for (const auto& level : options.levels) {
    const int stage = stage_of(level);
    features_.push_back({level, options.shape.channels(stage), int64_t{2} << stage});
  }
  stem_.emplace(conv(3, options.shape.width, 7, 2), options.shape.norm);
  register_module("conv1", stem_->conv());
  register_module("bn1", stem_->norm());
  if (options.frozen_stages > 0) freeze(*stem_->conv());
  for (int stage = 1; stage <= stage_of(options.levels.back()); ++stage) {
    stages_.push_back(
        register_module(fmt::format("layer{}", stage), make_resnet_stage(options.shape, stage)));
    if (options.frozen_stages > stage) freeze(*stages_.back());
  }
}

std::vector<at::Tensor> ResNetImpl::forward(const at::Tensor& images) {
  std::vector<at::Tensor> maps;
  auto x = (*stem_)(images).relu_();
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
  node.read("norm", options.shape.norm, {{"frozen", Norm::frozen}, {"batch", Norm::batch}});
  node.read("levels", options.levels);
  node.read("frozen_stages", options.frozen_stages, {.min = 0, .max = 5});
  if (options.shape.norm == Norm::batch && options.frozen_stages > 0) {
    throw node.error("frozen_stages", "must be 0 with norm batch, which goes on learning its statistics");
  }
  const std::vector<std::string> all = {"c2", "c3", "c4", "c5"};
  if (options.levels.empty() ||
      !std::includes(all.begin(), all.end(), options.levels.begin(), options.levels.end()) ||
      std::adjacent_find(options.levels.begin(), options.levels.end()) != options.levels.end()) {
    throw node.error("levels", "must be some of c2, c3, c4, c5, in this order");
  }
  return std::make_shared<ResNetImpl>(options);
}

}  // namespace rcnn::nn
