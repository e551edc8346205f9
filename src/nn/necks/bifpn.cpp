#include <optional>
#include <string>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/necks/bifpn.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {
namespace {

// In the denominator of the fusion; EfficientDet, section 3.3.
constexpr double kFusionEps = 1e-4;

/// A max pooling of 3x3 and stride 2 with TensorFlow's "same" padding: ceil(size / 2) cells, nothing of a
/// window lies before the first cell where a side is even.
at::Tensor halved(const at::Tensor& x) {
  return at::max_pool2d(x, 3, 2, {x.size(2) % 2, x.size(3) % 2}, 1, /*ceil_mode=*/true);
}

at::Tensor enlarged(const at::Tensor& x, const at::Tensor& like) {
  return at::upsample_nearest2d(x, like.sizes().slice(2));
}

}  // namespace

/// A node of the graph: a fusion, swish, a convolution. `owner` gets the convolution under `name` and the
/// weights of the edges under `weights`.
class BifpnNode {
 public:
  BifpnNode(torch::nn::Module& owner, const std::string& name, const std::string& weights, int64_t edges,
            const BifpnOptions& options)
      : conv_(neck_conv(options.channels, options.channels, options.conv == BifpnOptions::Conv::plain ? 3 : 1,
                        options.norm, {.bias = true})) {
    const auto block = owner.register_module(name, std::make_shared<torch::nn::Module>());
    if (options.conv == BifpnOptions::Conv::plain) {
      conv_.register_in(*block, "conv", "bn");
    } else {
      depthwise_ = neck_conv(options.channels, options.channels, 3, {.type = Norm::none},
                             {.groups = options.channels, .bias = false});
      depthwise_->register_in(*block, "depthwise_conv", "");
      conv_.register_in(*block, "pointwise_conv", "bn");
    }
    if (options.fusion == BifpnOptions::Fusion::fast) {
      edges_ = owner.register_parameter(weights, torch::ones(edges));
    }
  }

  at::Tensor operator()(const std::vector<at::Tensor>& maps) {
    const auto x = at::silu(fused(maps));
    return conv_(depthwise_ ? (*depthwise_)(x) : x);
  }

  void fuse(Precision precision) {
    if (edges_.defined()) shares_ = shares().detach();
    if (depthwise_) depthwise_->fuse(precision);
    conv_.fuse(precision);
  }

 private:
  /// What of each map counts.
  at::Tensor shares() const {
    const auto positive = edges_.relu();
    return positive / (positive.sum() + kFusionEps);
  }

  at::Tensor fused(const std::vector<at::Tensor>& maps) const {
    at::Tensor sum;
    if (!edges_.defined()) {
      for (const auto& map : maps) sum = sum.defined() ? sum + map : map;
      return sum;
    }
    const auto parts = (shares_.defined() ? shares_ : shares()).unbind();
    for (size_t i = 0; i < maps.size(); ++i) {
      // A single number leaves bfloat16 as it is, where autocast's addcmul would make float32 of all.
      const auto part = maps[i] * parts[i];
      sum = sum.defined() ? sum.add_(part) : part;
    }
    return sum;
  }

  at::Tensor edges_;   // [edges]; undefined for plain sums
  at::Tensor shares_;  // of a network that learns no more
  std::optional<ConvNorm> depthwise_;
  ConvNorm conv_;
};

namespace {

/// What brings a map to the channels of the pyramid; nothing where it has them.
std::optional<ConvNorm> lateral(torch::nn::Module& owner, const std::string& name, const FeatureSpec& input,
                                const BifpnOptions& options) {
  if (input.channels == options.channels) return std::nullopt;
  const auto conv = neck_conv(input.channels, options.channels, 1, options.norm, {.bias = true});
  const auto block = owner.register_module(name, std::make_shared<torch::nn::Module>());
  conv.register_in(*block, "down_conv", "bn");
  return conv;
}

}  // namespace

/// One repeat.
class BifpnCellImpl : public torch::nn::Module {
 public:
  /// `inputs` are the backbone's maps, or the levels, which the repeat before gives.
  BifpnCellImpl(const std::vector<FeatureSpec>& inputs, const std::vector<FeatureSpec>& levels,
                const BifpnOptions& options) {
    const auto number = [&](size_t level) { return levels[level].name.back(); };
    for (size_t i = 0; i < inputs.size(); ++i) {
      down_lateral_.push_back(lateral(*this, fmt::format("p{}_down_channel", number(i)), inputs[i], options));
      if (i == 0) continue;
      up_lateral_.push_back(
          lateral(*this, fmt::format("p{}_level_connection", number(i)), inputs[i], options));
    }
    if (levels.size() > inputs.size()) {
      const auto extra =
          register_module(fmt::format("p{}_to_p{}", number(inputs.size() - 1), number(inputs.size())),
                          std::make_shared<torch::nn::Module>());
      extra_lateral_ = lateral(*extra, "0", inputs.back(), options);
    }
    for (size_t i = 0; i + 1 < levels.size(); ++i) {
      down_.emplace_back(*this, fmt::format("conv{}_up", number(i)), fmt::format("p{}_w1", number(i)), 2,
                         options);
    }
    for (size_t i = 1; i < levels.size(); ++i) {
      const int64_t edges = i + 1 < levels.size() ? 3 : 2;
      up_.emplace_back(*this, fmt::format("conv{}_down", number(i)), fmt::format("p{}_w2", number(i)), edges,
                       options);
    }
  }

  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs) {
    std::vector<at::Tensor> down, in_again;  // what the levels have on the way down, and get on the way up
    for (size_t i = 0; i < inputs.size(); ++i) {
      down.push_back(down_lateral_[i] ? (*down_lateral_[i])(inputs[i]) : inputs[i]);
      const bool again = i > 0 && up_lateral_[i - 1];
      in_again.push_back(again ? (*up_lateral_[i - 1])(inputs[i]) : down[i]);
    }
    for (size_t i = inputs.size(); i <= down_.size(); ++i) {
      const auto& before = i == inputs.size() ? inputs.back() : down.back();
      const bool first = i == inputs.size() && extra_lateral_;
      down.push_back(halved(first ? (*extra_lateral_)(before) : before));
      in_again.push_back(down.back());
    }
    for (size_t i = down_.size(); i-- > 0;) {
      down[i] = down_[i]({down[i], enlarged(down[i + 1], down[i])});
    }
    std::vector<at::Tensor> outputs = {down.front()};
    for (size_t i = 1; i <= up_.size(); ++i) {
      std::vector<at::Tensor> meeting = {in_again[i], halved(outputs.back())};
      if (i < up_.size()) meeting.insert(meeting.begin() + 1, down[i]);
      outputs.push_back(up_[i - 1](meeting));
    }
    return outputs;
  }

  void fuse(Precision precision) {
    for (auto* const some : {&down_lateral_, &up_lateral_}) {
      for (auto& conv : *some) {
        if (conv) conv->fuse(precision);
      }
    }
    if (extra_lateral_) extra_lateral_->fuse(precision);
    for (auto& node : down_) node.fuse(precision);
    for (auto& node : up_) node.fuse(precision);
  }

 private:
  std::vector<std::optional<ConvNorm>> down_lateral_,
      up_lateral_;  // of inputs; up_ from the second finest on
  std::optional<ConvNorm> extra_lateral_;
  std::vector<BifpnNode> down_, up_;  // by level: from the finest, from the second finest
};

BifpnImpl::BifpnImpl(const std::vector<FeatureSpec>& inputs, const BifpnOptions& options) {
  const auto count = std::ssize(inputs) + options.extra_levels;
  features_ =
      pyramid_levels(inputs, options.channels, options.extra_levels, options.roi_levels.value_or(count));
  for (int64_t i = 0; i < options.repeats; ++i) {
    cells_.push_back(register_module(
        std::to_string(i), std::make_shared<BifpnCellImpl>(i == 0 ? inputs : features_, features_, options)));
  }
}

std::vector<at::Tensor> BifpnImpl::forward(const std::vector<at::Tensor>& maps) {
  auto levels = maps;
  for (const auto& cell : cells_) levels = cell->forward(levels);
  return levels;
}

void BifpnImpl::fuse(Precision precision) {
  for (const auto& cell : cells_) cell->fuse(precision);
}

std::shared_ptr<NeckImpl> make_bifpn(const config::Node& node, const NeckInputs& inputs) {
  BifpnOptions options;
  node.read("channels", options.channels, {.min = 1});
  node.read("repeats", options.repeats, {.min = 1, .max = 64});
  node.read("conv", options.conv,
            {{"separable", BifpnOptions::Conv::separable}, {"plain", BifpnOptions::Conv::plain}});
  node.read("fusion", options.fusion,
            {{"fast", BifpnOptions::Fusion::fast}, {"sum", BifpnOptions::Fusion::sum}});
  options.norm.read(node, options.channels);
  if (options.norm.type == Norm::group && !node.has("norm_eps")) options.norm.eps = NormOptions().eps;
  const auto extra = node.child("extra_levels");
  extra.read("count", options.extra_levels, {.min = 0, .max = 3});
  extra.finish();
  check_inputs(node, inputs.features, options.extra_levels == 0 ? 2 : 1);
  read_roi_levels(node, options.roi_levels, std::ssize(inputs.features) + options.extra_levels);
  return std::make_shared<BifpnImpl>(inputs.features, options);
}

}  // namespace rcnn::nn
