#include <array>
#include <map>
#include <optional>
#include <string>

#include <torch/torch.h>

#include <rcnn/nn/necks/nas_fpn.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {
namespace {

/// A map and its level, 0 for the finest.
struct Map {
  at::Tensor x;
  int level = 0;
};

/// [N, C, H, W] at the size of another level's map. What is left over of a size makes a cell.
at::Tensor resized(const Map& map, const Map& like) {
  if (map.level == like.level) return map.x;
  if (map.level > like.level) return at::upsample_nearest2d(map.x, like.x.sizes().slice(2));
  const int64_t cells = int64_t{1} << (like.level - map.level);
  return at::max_pool2d(map.x, cells, cells, 0, 1, /*ceil_mode=*/true);
}

}  // namespace

/// One stack of cells, as the paper's figure 6 and mmdetection's names have them: sum_43_3 takes a map of p4
/// and one of p3 to p3.
class NasFpnStageImpl : public torch::nn::Module {
 public:
  explicit NasFpnStageImpl(const NasFpnOptions& options) : global_pooling_(options.global_pooling) {
    for (const char* name :
         {"gp_64_4", "sum_44_4", "sum_43_3", "sum_34_4", "sum_55_5", "sum_77_7", "gp_75_6"}) {
      const auto cell = register_module(name, std::make_shared<torch::nn::Module>());
      const auto out_conv = cell->register_module("out_conv", std::make_shared<torch::nn::Module>());
      const auto conv = neck_conv(options.channels, options.channels, 3, options.norm, {.bias = true});
      conv.register_in(*out_conv, "conv", "bn");
      out_convs_.emplace(name, conv);
    }
  }

  using Maps = std::array<Map, NasFpnOptions::kLevels>;

  Maps forward(const Maps& in) {
    const auto& [in3, in4, in5, in6, in7] = in;
    const auto p4_first = out("gp_64_4", gated(in6, in4, in4), in4);
    const auto p4_second = out("sum_44_4", p4_first.x + in4.x, in4);
    const auto p3 = out("sum_43_3", resized(p4_second, in3) + in3.x, in3);
    const auto p4 = out("sum_34_4", resized(p3, in4) + p4_second.x, in4);
    const auto p5 = out("sum_55_5", in5.x + gated(p4, p3, in5), in5);
    const auto p7 = out("sum_77_7", in7.x + gated(p5, p4_second, in7), in7);
    const auto p6 = out("gp_75_6", gated(p7, p5, in6), in6);
    return {p3, p4, p5, p6, p7};
  }

  void fuse(Precision precision) {
    for (auto& [name, conv] : out_convs_) conv.fuse(precision);
  }

 private:
  /// The cell of global pooling, at the size of `like`.
  at::Tensor gated(const Map& coarse, const Map& fine, const Map& like) const {
    const auto a = resized(coarse, like), b = resized(fine, like);
    if (global_pooling_ == NasFpnOptions::GlobalPooling::max) {
      return at::addcmul(a, b, a.amax({2, 3}, /*keepdim=*/true).sigmoid());
    }
    return at::addcmul(b, a, b.mean({2, 3}, /*keepdim=*/true).sigmoid());
  }

  /// The end of a cell: `x`, of its own, becomes a map of the level of `like`.
  Map out(const char* cell, at::Tensor x, const Map& like) {
    return {out_convs_.at(cell)(x.relu_()), like.level};
  }

  NasFpnOptions::GlobalPooling global_pooling_;
  std::map<std::string, ConvNorm> out_convs_;
};

NasFpnImpl::NasFpnImpl(const std::vector<FeatureSpec>& inputs, const NasFpnOptions& options) {
  const auto missing = NasFpnOptions::kLevels - std::ssize(inputs);
  TORCH_CHECK(missing >= 0, "NasFpn: inputs: expected ", NasFpnOptions::kLevels, " at most, got ",
              inputs.size());
  features_ =
      pyramid_levels(inputs, options.channels, missing, options.roi_levels.value_or(NasFpnOptions::kLevels));
  const auto child = [](torch::nn::Module& owner, const std::string& name) {
    return owner.register_module(name, std::make_shared<torch::nn::Module>());
  };
  const auto lateral_convs = child(*this, "lateral_convs");
  for (const auto& input : inputs) {
    const auto block = child(*lateral_convs, std::to_string(laterals_.size()));
    laterals_.push_back(neck_conv(input.channels, options.channels, 1, options.norm));
    laterals_.back().register_in(*block, "conv", "bn");
  }
  extra_ = std::vector<std::optional<ConvNorm>>(static_cast<size_t>(missing));
  if (options.extra_levels == NasFpnOptions::ExtraLevels::conv) {
    const auto extra_downsamples = child(*this, "extra_downsamples");
    for (size_t i = 0; i < extra_.size(); ++i) {
      const auto block = child(*child(*extra_downsamples, std::to_string(i)), "0");
      extra_[i] = neck_conv(options.channels, options.channels, 1, options.norm);
      extra_[i]->register_in(*block, "conv", "bn");
    }
  }
  const auto fpn_stages = child(*this, "fpn_stages");
  for (int64_t i = 0; i < options.stacks; ++i) {
    stages_.push_back(std::make_shared<NasFpnStageImpl>(options));
    fpn_stages->register_module(std::to_string(i), stages_.back());
  }
}

std::vector<at::Tensor> NasFpnImpl::forward(const std::vector<at::Tensor>& maps) {
  NasFpnStageImpl::Maps levels;
  for (size_t i = 0; i < levels.size(); ++i) {
    levels[i].level = static_cast<int>(i);
    if (i < maps.size()) {
      levels[i].x = laterals_[i](maps[i]);
      continue;
    }
    auto& conv = extra_[i - maps.size()];
    const auto& before = levels[i - 1].x;
    levels[i].x = at::max_pool2d(conv ? (*conv)(before) : before, 2, 2, 0, 1, /*ceil_mode=*/true);
  }
  for (const auto& stage : stages_) levels = stage->forward(levels);
  std::vector<at::Tensor> outputs;
  for (const auto& level : levels) outputs.push_back(level.x);
  return outputs;
}

void NasFpnImpl::fuse(Precision precision) {
  for (auto& conv : laterals_) conv.fuse(precision);
  for (auto& conv : extra_) {
    if (conv) conv->fuse(precision);
  }
  for (const auto& stage : stages_) stage->fuse(precision);
}

std::shared_ptr<NeckImpl> make_nas_fpn(const config::Node& node, const NeckInputs& inputs) {
  check_inputs(node, inputs.features, 1, NasFpnOptions::kLevels);
  NasFpnOptions options;
  node.read("channels", options.channels, {.min = 1});
  node.read("stacks", options.stacks, {.min = 1, .max = 64});
  node.read("global_pooling", options.global_pooling,
            {{"max", NasFpnOptions::GlobalPooling::max}, {"average", NasFpnOptions::GlobalPooling::average}});
  const auto extra = node.child("extra_levels");
  extra.read("type", options.extra_levels,
             {{"pool", NasFpnOptions::ExtraLevels::pool}, {"conv", NasFpnOptions::ExtraLevels::conv}});
  extra.finish();
  options.norm.read(node, options.channels);
  read_roi_levels(node, options.roi_levels, NasFpnOptions::kLevels);
  return std::make_shared<NasFpnImpl>(inputs.features, options);
}

}  // namespace rcnn::nn
