#include <torch/torch.h>

#include <rcnn/nn/necks/extra_levels.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {

void ExtraLevelsOptions::read(const config::Node& neck, int64_t channels) {
  const auto node = neck.child("extra_levels");
  node.read("type", kind, {{"pool", Kind::pool}, {"conv", Kind::conv}});
  if (kind == Kind::conv) count = 2;
  node.read("count", count, {.min = 0, .max = 3});
  if (kind == Kind::conv) {
    node.read("source", source,
              {{"input", Source::input}, {"lateral", Source::lateral}, {"output", Source::output}});
    node.read("relu", relu);
    norm.read(node, channels);
  }
  node.finish();
}

ExtraLevels::ExtraLevels(torch::nn::Module& owner, const FeatureSpec& input,
                         const std::vector<FeatureSpec>& levels, const ExtraLevelsOptions& options)
    : options_(options) {
  if (options.kind == ExtraLevelsOptions::Kind::pool || options.count == 0) return;
  const auto blocks = owner.register_module("extra_blocks", std::make_shared<torch::nn::Module>());
  const auto channels = levels.back().channels;
  const auto first = levels.size() - static_cast<size_t>(options.count);
  for (size_t i = first; i < levels.size(); ++i) {
    const bool reads_input = i == first && options.source == ExtraLevelsOptions::Source::input;
    convs_.push_back(
        neck_conv(reads_input ? input.channels : channels, channels, 3, options.norm, {.stride = 2}));
    convs_.back().register_in(*blocks, levels[i].name, levels[i].name + "_norm");
  }
}

void ExtraLevels::append_to(std::vector<at::Tensor>& outputs, const at::Tensor& input,
                            const at::Tensor& lateral) {
  if (options_.kind == ExtraLevelsOptions::Kind::pool) {
    for (int64_t i = 0; i < options_.count; ++i) outputs.push_back(at::max_pool2d(outputs.back(), 1, 2));
    return;
  }
  using Source = ExtraLevelsOptions::Source;
  auto source = options_.source == Source::input     ? input
                : options_.source == Source::lateral ? lateral
                                                     : outputs.back();
  for (auto& conv : convs_) {
    outputs.push_back(conv(source));
    source = options_.relu ? outputs.back().relu() : outputs.back();
  }
}

int64_t ExtraLevels::size_divisor(const std::vector<FeatureSpec>& levels) const {
  return convs_.empty() ? stride_for_rois(levels) : levels.back().stride;
}

void ExtraLevels::fuse(Precision precision) {
  for (auto& conv : convs_) conv.fuse(precision);
}

}  // namespace rcnn::nn
