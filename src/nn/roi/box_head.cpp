#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/roi/box_head.h>

namespace rcnn::nn {
namespace {

class MlpHead : public BoxHeadImpl {
 public:
  MlpHead(int64_t inputs, int64_t hidden, double dropout) : dropout_(dropout) {
    fc6_ = register_module("fc6", torch::nn::Linear(inputs, hidden));
    fc7_ = register_module("fc7", torch::nn::Linear(hidden, hidden));
  }

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    auto x = at::dropout(fc6_->forward(grids.front().flatten(1)).relu_(), dropout_, is_training());
    return at::dropout(fc7_->forward(x).relu_(), dropout_, is_training());
  }

  int64_t channels() const override { return fc7_->options.out_features(); }

 private:
  double dropout_;
  torch::nn::Linear fc6_ = nullptr, fc7_ = nullptr;
};

class ConvHead : public BoxHeadImpl, public Fusible {
 public:
  struct Options {
    int64_t convs = 4, channels = 256, hidden = 1024;
    NormOptions norm{.type = Norm::none};
  };

  ConvHead(const Options& options, const GridSpec& grid) {
    for (int64_t i = 0; i < options.convs; ++i) {
      torch::nn::Conv2d conv(
          torch::nn::Conv2dOptions(i == 0 ? grid.channels : options.channels, options.channels, 3)
              .padding(1)
              .bias(options.norm.type == Norm::none));
      torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
      if (conv->bias.defined()) torch::nn::init::zeros_(conv->bias);
      convs_.emplace_back(conv, options.norm);
      register_module(std::to_string(i), convs_.back().block());
    }
    // torchvision counts the flattening too.
    hidden_ = register_module(std::to_string(options.convs + 1),
                              torch::nn::Linear(options.channels * grid.size * grid.size, options.hidden));
  }

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    auto x = grids.front();
    for (auto& layer : convs_) x = layer.relu(x);
    return hidden_->forward(x.flatten(1)).relu_();
  }

  int64_t channels() const override { return hidden_->options.out_features(); }

  void fuse(Precision precision) override {
    for (auto& layer : convs_) layer.fuse(precision);
  }

 private:
  std::vector<ConvNorm> convs_;
  torch::nn::Linear hidden_ = nullptr;
};

class Res5Head : public BoxHeadImpl {
 public:
  explicit Res5Head(const ResNetShape& shape) : channels_(shape.channels(4)) {
    layer4_ = register_module("layer4", make_resnet_stage(shape, 4));
  }

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    return layer4_->forward(grids.front()).mean({2, 3});
  }
  int64_t channels() const override { return channels_; }

 private:
  int64_t channels_;
  torch::nn::Sequential layer4_ = nullptr;
};

const GridSpec& only_grid(const config::Node& node, const std::vector<GridSpec>& grids) {
  if (grids.size() != 1) {
    throw node.error("type",
                     fmt::format("takes one grid of features a RoI, the pooler gives {}", grids.size()));
  }
  return grids.front();
}

}  // namespace

std::shared_ptr<BoxHeadImpl> make_mlp_head(const config::Node& node, const std::vector<GridSpec>& grids) {
  const auto& grid = only_grid(node, grids);
  int64_t hidden = 1024;
  double dropout = 0;
  node.read("hidden", hidden, {.min = 1});
  node.read("dropout", dropout, {.min = 0, .max = 0.99});
  return std::make_shared<MlpHead>(grid.channels * grid.size * grid.size, hidden, dropout);
}

std::shared_ptr<BoxHeadImpl> make_conv_head(const config::Node& node, const std::vector<GridSpec>& grids) {
  ConvHead::Options options;
  node.read("convs", options.convs, {.min = 1});
  node.read("channels", options.channels, {.min = 1});
  node.read("hidden", options.hidden, {.min = 1});
  options.norm.read(node);
  return std::make_shared<ConvHead>(options, only_grid(node, grids));
}

std::shared_ptr<BoxHeadImpl> make_res5_head(const config::Node& node, const std::vector<GridSpec>& grids) {
  ResNetShape shape;
  node.read("depth", shape.depth);
  if (!ResNetShape::has_depth(shape.depth)) throw node.error("depth", "must be 18, 34, 50, 101 or 152");
  shape.read(node);
  if (shape.channels(3) != only_grid(node, grids).channels) {
    throw node.error("depth", "its stage 4 does not fit the backbone's feature map");
  }
  return std::make_shared<Res5Head>(shape);
}

BoxPredictorImpl::BoxPredictorImpl(int64_t channels, int64_t num_classes, bool class_agnostic) {
  cls_score_ = register_module("cls_score", torch::nn::Linear(channels, num_classes + 1));
  bbox_pred_ =
      register_module("bbox_pred", torch::nn::Linear(channels, 4 * (class_agnostic ? 1 : num_classes + 1)));
}

BoxPredictorImpl::Output BoxPredictorImpl::forward(const at::Tensor& x) {
  const auto deltas = bbox_pred_->forward(x);
  return {cls_score_->forward(x), deltas.view({deltas.size(0), deltas.size(1) / 4, 4})};
}

}  // namespace rcnn::nn
