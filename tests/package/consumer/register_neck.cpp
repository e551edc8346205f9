// register_neck: a neck of one's own with a level more than FPN has, and a pooler and a box head that see
// each RoI on two levels; all found by their names in a config.
#include <cstdio>
#include <memory>
#include <vector>

#include <torch/nn/modules/linear.h>

#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/necks/fpn.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/box_head.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/rcnn.h>

#include "blocks.h"

namespace {

using namespace rcnn;

/// FPN and one more level, the coarsest, for the RPN alone.
class LongerPyramidImpl : public nn::NeckImpl {
 public:
  LongerPyramidImpl(const nn::NeckInputs& inputs, const nn::FpnOptions& options)
      : fpn_(std::make_shared<nn::FpnImpl>(inputs.features, options)) {
    register_module("fpn", fpn_);
  }

  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override {
    auto levels = fpn_->forward(maps);
    levels.push_back(at::max_pool2d(levels.back(), 1, 2));
    return levels;
  }

  std::vector<nn::FeatureSpec> features() const override {
    auto features = fpn_->features();
    const auto& last = features.back();
    features.push_back(
        {.name = "extra", .channels = last.channels, .stride = 2 * last.stride, .for_rois = false});
    return features;
  }

 private:
  std::shared_ptr<nn::FpnImpl> fpn_;
};

std::shared_ptr<nn::NeckImpl> make_longer_pyramid(const config::Node& node, const nn::NeckInputs& inputs) {
  nn::FpnOptions options;
  node.read("channels", options.channels, {.min = 1});
  return std::make_shared<LongerPyramidImpl>(inputs, options);
}

/// Pools each RoI from the finest level and from the coarsest.
class TwoLevelPooler : public nn::RoiPoolerImpl {
 public:
  explicit TwoLevelPooler(const std::vector<nn::FeatureSpec>& levels) {
    for (const auto& level : {levels.front(), levels.back()}) {
      poolers_.push_back(nn::LevelPooler(std::vector{level}, nn::RoiPoolerOptions{.size = 4}));
    }
  }

  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps,
                                  const std::vector<at::Tensor>& boxes) override {
    return {poolers_[0]->forward({maps.front()}, boxes).front(),
            poolers_[1]->forward({maps.back()}, boxes).front()};
  }

  std::vector<nn::GridSpec> grids() const override {
    return {poolers_[0]->grids().front(), poolers_[1]->grids().front()};
  }

 private:
  std::vector<nn::LevelPooler> poolers_;
};

/// A first layer for each grid, fused by their sum.
class FusingHead : public nn::BoxHeadImpl {
 public:
  FusingHead(const std::vector<nn::GridSpec>& grids, int64_t hidden) : hidden_(hidden) {
    for (const auto& [channels, size] : grids) {
      layers_.push_back(register_module("fc6_" + std::to_string(layers_.size()),
                                        torch::nn::Linear(channels * size * size, hidden)));
    }
  }

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    auto sum = layers_[0]->forward(grids[0].flatten(1));
    for (size_t i = 1; i < grids.size(); ++i) sum = sum + layers_[i]->forward(grids[i].flatten(1));
    return sum.relu();
  }

  int64_t channels() const override { return hidden_; }

 private:
  int64_t hidden_;
  std::vector<torch::nn::Linear> layers_;
};

}  // namespace

int main() {
  nn::necks().add("longer_pyramid", make_longer_pyramid);
  nn::poolers().add("two_levels", [](const config::Node&, const std::vector<nn::FeatureSpec>& levels) {
    return std::make_shared<TwoLevelPooler>(levels);
  });
  nn::box_heads().add("fusing", [](const config::Node& node, const std::vector<nn::GridSpec>& grids) {
    int64_t hidden = 1024;
    node.read("hidden", hidden, {.min = 1});
    return std::make_shared<FusingHead>(grids, hidden);
  });

  const auto blocks = std::make_shared<Blocks>(4);
  train::Trainer trainer(config::Config::parse(R"({
    "model": {"type": "faster_rcnn",
              "backbone": {"type": "resnet18", "width": 8, "levels": ["c2", "c3", "c4", "c5"]},
              "neck": {"type": "longer_pyramid", "channels": 16},
              "rpn": {"anchors": {"sizes": [8, 16, 32, 64, 96, 128]}},
              "roi": {"pooler": {"type": "two_levels"}, "head": {"type": "fusing", "hidden": 32}}},
    "data": {"min_size": 96, "max_size": 96},
    "train": {"iterations": 2, "batch_size": 2}
  })",
                                               "pyramid"),
                         blocks);
  trainer.fit();
  int levels = 0, layers = 0;
  const auto model = std::dynamic_pointer_cast<nn::FasterRcnnImpl>(trainer.described().model);
  levels = int(model->feature_maps({.images = {blocks->image(0)}, .sizes = {{kSide, kSide}}}).size());
  for (const auto& parameter : model->named_parameters()) {
    layers += parameter.key().starts_with("roi_heads.box_head.fc6_") && parameter.key().ends_with("weight");
  }
  std::printf("%d iterations done over %d levels, %d first layers\n", int(trainer.iteration()), levels,
              layers);
  return levels == 6 && layers == 2 ? 0 : 1;
}
