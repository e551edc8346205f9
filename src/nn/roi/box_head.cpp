#include <algorithm>
#include <optional>
#include <string>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/roi/box_head.h>

namespace rcnn::nn {
namespace {

class MlpHead : public BoxHeadImpl {
 public:
  struct Options {
    std::vector<int64_t> hidden = {1024, 1024};  // fc6's and fc7's
    double dropout = 0;
    enum class Scaling { training, inference } scaling = Scaling::training;
    int64_t fc6_rank = 0, fc7_rank = 0;  // of truncated SVD
  };

  MlpHead(int64_t inputs, const Options& options)
      : options_(options),
        fc6_(*this, "fc6", inputs, options.hidden.front(), options.fc6_rank),
        fc7_(*this, "fc7", options.hidden.front(), options.hidden.back(), options.fc7_rank) {}

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    return drop(fc7_(drop(fc6_(grids.front().flatten(1)).relu_())).relu_());
  }

  int64_t channels() const override { return fc7_.out(); }

 private:
  at::Tensor drop(const at::Tensor& x) const {
    const auto kept = at::dropout(x, options_.dropout, is_training());
    return options_.scaling == Options::Scaling::training ? kept : kept * (1 - options_.dropout);
  }

  Options options_;
  SvdLinear fc6_, fc7_;
};

class ConvHead : public BoxHeadImpl, public Fusible {
 public:
  struct Options {
    int64_t convs = 4, channels = 256, hidden = 1024;
    int64_t rank = 0;  // of truncated SVD
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
    hidden_.emplace(*this, hidden_name(options), inputs(options, grid), options.hidden, options.rank);
  }

  /// torchvision counts the flattening too.
  static std::string hidden_name(const Options& options) { return std::to_string(options.convs + 1); }

  static int64_t inputs(const Options& options, const GridSpec& grid) {
    return options.channels * grid.size * grid.size;
  }

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    auto x = grids.front();
    for (auto& layer : convs_) x = layer.relu(x);
    return (*hidden_)(x.flatten(1)).relu_();
  }

  int64_t channels() const override { return hidden_->out(); }

  void fuse(Precision precision) override {
    for (auto& layer : convs_) layer.fuse(precision);
  }

 private:
  std::vector<ConvNorm> convs_;
  std::optional<SvdLinear> hidden_;  // registered behind the convolutions
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
                     fmt::format("takes one grid of features a RoI, the pooler gives {}; adaptive fuses them",
                                 grids.size()));
  }
  return grids.front();
}

}  // namespace

std::shared_ptr<BoxHeadImpl> make_mlp_head(const config::Node& node, const std::vector<GridSpec>& grids) {
  const auto& grid = only_grid(node, grids);
  const int64_t inputs = grid.channels * grid.size * grid.size;
  MlpHead::Options options;
  if (node.is_list("hidden")) {
    node.read("hidden", options.hidden, {.min = 1});
    if (options.hidden.size() != 2) throw node.error("hidden", "must be one number, or two for fc6 and fc7");
  } else {
    node.read("hidden", options.hidden.front(), {.min = 1});
    options.hidden.back() = options.hidden.front();
  }
  node.read("dropout", options.dropout, {.min = 0, .max = 0.99});
  node.read("dropout_scaling", options.scaling,
            {{"training", MlpHead::Options::Scaling::training},
             {"inference", MlpHead::Options::Scaling::inference}});
  options.fc6_rank = svd_rank(node, "fc6", inputs, options.hidden.front());
  options.fc7_rank = svd_rank(node, "fc7", options.hidden.front(), options.hidden.back());
  return std::make_shared<MlpHead>(inputs, options);
}

std::shared_ptr<BoxHeadImpl> make_conv_head(const config::Node& node, const std::vector<GridSpec>& grids) {
  ConvHead::Options options;
  node.read("convs", options.convs, {.min = 1});
  node.read("channels", options.channels, {.min = 1});
  node.read("hidden", options.hidden, {.min = 1});
  options.norm.read(node, options.channels);
  const auto& grid = only_grid(node, grids);
  options.rank =
      svd_rank(node, ConvHead::hidden_name(options), ConvHead::inputs(options, grid), options.hidden);
  return std::make_shared<ConvHead>(options, grid);
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

BoxPredictorImpl::BoxPredictorImpl(int64_t channels, int64_t num_classes, bool class_agnostic,
                                   const BoxPredictorRanks& ranks)
    : cls_score_(*this, "cls_score", channels, num_classes + 1, ranks.cls_score),
      bbox_pred_(*this, "bbox_pred", channels, 4 * (class_agnostic ? 1 : num_classes + 1), ranks.bbox_pred) {}

void BoxPredictorImpl::initialise_as_published() {
  torch::nn::init::normal_(cls_score_.last()->weight, 0, 0.01);
  torch::nn::init::normal_(bbox_pred_.last()->weight, 0, 0.001);
  for (const auto& layer : {cls_score_.last(), bbox_pred_.last()}) torch::nn::init::zeros_(layer->bias);
}

BoxPredictorImpl::Output BoxPredictorImpl::forward(const at::Tensor& x) {
  const auto deltas = bbox_pred_(x);
  return {cls_score_(x), deltas.view({deltas.size(0), deltas.size(1) / 4, 4})};
}

void BoxPredictorImpl::normalise_targets(const TargetStatistics& statistics,
                                         std::span<const std::string> plain) {
  const torch::NoGradGuard no_grad;
  const auto& last = bbox_pred_.last();
  const auto device = last->weight.device();
  const auto mean = statistics.mean.to(device).clone(), std = statistics.std.to(device).clone();
  TORCH_CHECK(mean.numel() == last->bias.numel() && std.numel() == mean.numel(),
              "normalise_targets: statistics: expected [", last->bias.numel() / 4, ", 4], got ", mean.sizes(),
              " and ", std.sizes());
  auto weight = last->weight.to(at::kDouble), bias = last->bias.to(at::kDouble);
  const auto is_plain = [&](const char* parameter) {
    const auto is_named = [&](const char* layer) {
      return std::ranges::find(plain, std::string(layer) + parameter) != plain.end();
    };
    return target_mean_.defined() || is_named("bbox_pred.") || is_named("bbox_pred_U.");
  };
  if (target_mean_.defined()) {  // normalised by other statistics so far
    weight = weight * target_std_.to(at::kDouble).flatten().unsqueeze(1);
    bias = bias * target_std_.to(at::kDouble).flatten() + target_mean_.to(at::kDouble).flatten();
  }
  const auto scale = std.to(at::kDouble).flatten(), shift = mean.to(at::kDouble).flatten();
  if (is_plain("weight")) last->weight.copy_(weight / scale.unsqueeze(1));
  if (is_plain("bias")) last->bias.copy_((bias - shift) / scale);
  if (target_mean_.defined()) {
    target_mean_.copy_(mean);
    target_std_.copy_(std);
  } else {
    target_mean_ = register_buffer("target_mean", mean);
    target_std_ = register_buffer("target_std", std);
  }
}

}  // namespace rcnn::nn
