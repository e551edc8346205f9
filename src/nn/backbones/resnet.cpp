#include <algorithm>
#include <array>
#include <map>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/layers/conv_aws.h>
#include <rcnn/nn/layers/switchable_atrous_conv.h>

#include "nn/layers/constant_conv.h"

namespace rcnn::nn {
namespace {

using Conv = ResNetShape::Conv;

torch::nn::Conv2d conv(const ResNetShape& shape, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                       int64_t dilation = 1) {
  const auto options = torch::nn::Conv2dOptions(in, out, kernel)
                           .stride(stride)
                           .padding(kernel / 2 * dilation)
                           .dilation(dilation)
                           .bias(false);
  const auto initialised = [](auto layer) {
    torch::nn::init::kaiming_normal_(layer->weight, 0, torch::kFanOut, torch::kReLU);
    return layer;
  };
  if (shape.conv == Conv::plain) return initialised(torch::nn::Conv2d(options));
  const auto layer =
      initialised(shape.is_switchable() && kernel == 3 ? std::make_shared<SwitchableAtrousConvImpl>(
                                                             options, shape.conv == Conv::deformable_sac)
                                                       : std::make_shared<ConvAwsImpl>(options));
  layer->take_factors();
  return torch::nn::Conv2d(std::static_pointer_cast<torch::nn::Conv2dImpl>(layer));
}

/// What blocks of stage 1..4, or the stem for 0, are made of.
ResNetShape in_stage(ResNetShape shape, int stage) {
  if (stage < 2 && shape.is_switchable()) shape.conv = Conv::aws;
  return shape;
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

void ResNetShape::read(const config::Node& node) {
  node.read("width", width, {.min = 1});
  norm.read(node, width);
  node.read("stride_in_1x1", stride_in_1x1);
  if (stride_in_1x1 && !bottleneck())
    throw node.error("stride_in_1x1", "needs the blocks of resnet50 or deeper");
}

ResidualBlockImpl::ResidualBlockImpl(const ResNetShape& shape, int64_t in_channels, int64_t width,
                                     int64_t stride, int64_t dilation) {
  const auto add = [&](int64_t in, int64_t out, int64_t kernel, int64_t conv_stride) {
    path_.emplace_back(conv(shape, in, out, kernel, conv_stride, kernel == 3 ? dilation : 1), shape.norm);
    path_.back().register_in(*this, fmt::format("conv{}", path_.size()), fmt::format("bn{}", path_.size()));
  };
  const int64_t out_channels = shape.bottleneck() ? 4 * width : width;
  if (shape.bottleneck()) {
    add(in_channels, width, 1, shape.stride_in_1x1 ? stride : 1);
    add(width, width, 3, shape.stride_in_1x1 ? 1 : stride);
    add(width, out_channels, 1, 1);
  } else {
    add(in_channels, width, 3, stride);
    add(width, out_channels, 3, 1);
  }
  if (stride != 1 || in_channels != out_channels) {
    shortcut_.emplace(conv(shape, in_channels, out_channels, 1, stride), shape.norm);
    register_module("downsample", shortcut_->block());
  }
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  return forward_with(x, {});
}

at::Tensor ResidualBlockImpl::forward_with(const at::Tensor& x, const at::Tensor& feedback) {
  TORCH_CHECK(!feedback.defined() || feedback_, "ResidualBlock: feedback: take_feedback() was not called");
  auto y = x;
  for (size_t i = 0; i + 1 < path_.size(); ++i) y = path_[i].relu(y);
  const auto shortcut = shortcut_ ? (*shortcut_)(x) : x;
  return path_.back().add_relu(y, feedback.defined() ? shortcut + (*feedback_)(feedback) : shortcut);
}

void ResidualBlockImpl::take_feedback(int64_t channels) {
  const int64_t out = path_.back().conv()->options.out_channels();
  feedback_.emplace(register_module("rfp_conv", constant_conv({channels, out, 1})),
                    NormOptions{.type = Norm::none});
}

void ResidualBlockImpl::fuse(Precision precision) {
  for (auto& layer : path_) layer.fuse(precision);
  if (shortcut_) shortcut_->fuse(precision);
  if (feedback_) feedback_->fuse(precision);
}

torch::nn::Sequential make_resnet_stage(const ResNetShape& net, int stage, int64_t dilation) {
  const auto shape = in_stage(net, stage);
  torch::nn::Sequential blocks;
  const int64_t width = shape.width << (stage - 1), stride = stage == 1 || dilation > 1 ? 1 : 2;
  blocks->push_back(ResidualBlock(shape, shape.channels(stage - 1), width, stride, dilation));
  for (int64_t block = 1; block < kBlocks.at(shape.depth)[stage - 1]; ++block) {
    blocks->push_back(ResidualBlock(shape, shape.channels(stage), width, 1, dilation));
  }
  return blocks;
}

ResNetImpl::ResNetImpl(const ResNetOptions& options) {
  const auto dilation_of = [&](int stage) { return stage == 4 ? options.c5_dilation : 1; };
  for (const auto& level : options.levels) {
    const int stage = stage_of(level);
    features_.push_back({level, options.shape.channels(stage), (int64_t{2} << stage) / dilation_of(stage)});
  }
  stem_.emplace(conv(in_stage(options.shape, 0), 3, options.shape.width, 7, 2), options.shape.norm);
  stem_->register_in(*this, "conv1", "bn1");
  if (options.frozen_stages > 0) stem_->freeze();
  for (int stage = 1; stage <= stage_of(options.levels.back()); ++stage) {
    stages_.push_back(register_module(fmt::format("layer{}", stage),
                                      make_resnet_stage(options.shape, stage, dilation_of(stage))));
    if (options.frozen_stages > stage) freeze(*stages_.back());
  }
  if (options.shape.is_switchable() && stages_.size() > 1) {
    least_side_ = (SwitchableAtrousConvImpl::kLeastSide - 1) * features_.back().stride + 1;
  }
}

std::vector<size_t> ResNetImpl::feedback_levels() const {
  std::vector<size_t> levels;
  for (size_t i = 0; i < features_.size(); ++i) {
    if (stage_of(features_[i].name) > 1) levels.push_back(i);
  }
  return levels;
}

void ResNetImpl::take_feedback(int64_t channels) {
  for (const size_t level : feedback_levels()) {
    const auto stage = static_cast<size_t>(stage_of(features_[level].name));
    stages_[stage - 1]->at<ResidualBlockImpl>(0).take_feedback(channels);
  }
}

std::vector<at::Tensor> ResNetImpl::forward_with(const at::Tensor& images,
                                                 const std::vector<at::Tensor>& feedback) {
  std::vector<at::Tensor> maps;
  auto x = stem_->relu(images);
  x = at::max_pool2d(x, 3, 2, 1);
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    const auto level = maps.size();
    const bool given = features_[level].name == fmt::format("c{}", stage + 2);
    for (size_t block = 0; block < stages_[stage]->size(); ++block) {
      const bool joins = given && block == 0 && stage > 0 && level < feedback.size();
      x = stages_[stage]->at<ResidualBlockImpl>(block).forward_with(x,
                                                                    joins ? feedback[level] : at::Tensor());
    }
    if (given) maps.push_back(x);
  }
  return maps;
}

std::shared_ptr<BackboneImpl> make_resnet(int64_t depth, const config::Node& node) {
  ResNetOptions options{.shape = {.depth = depth}};
  options.shape.read(node);
  node.read("conv", options.shape.conv,
            {{"plain", Conv::plain},
             {"aws", Conv::aws},
             {"sac", Conv::sac},
             {"deformable_sac", Conv::deformable_sac}});
  if (options.shape.conv != Conv::plain && options.shape.width < 2) {
    throw node.error("conv", "needs a width of 2 at least: what is standardised are several weights");
  }
  node.read("levels", options.levels);
  node.read("frozen_stages", options.frozen_stages, {.min = 0, .max = 5});
  node.read("c5_dilation", options.c5_dilation, {.min = 1, .max = 2});
  const std::vector<std::string> all = {"c2", "c3", "c4", "c5"};
  if (options.levels.empty() ||
      !std::includes(all.begin(), all.end(), options.levels.begin(), options.levels.end()) ||
      std::adjacent_find(options.levels.begin(), options.levels.end()) != options.levels.end()) {
    throw node.error("levels", "must be some of c2, c3, c4, c5, in this order");
  }
  if (options.c5_dilation > 1 && !options.shape.bottleneck()) {
    throw node.error("c5_dilation", "needs the blocks of resnet50 or deeper");
  }
  if (options.c5_dilation > 1 && options.levels.back() != "c5") {
    throw node.error("c5_dilation", "has no meaning without the level c5");
  }
  return std::make_shared<ResNetImpl>(options);
}

}  // namespace rcnn::nn
