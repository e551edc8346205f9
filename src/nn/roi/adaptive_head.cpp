#include <optional>
#include <string>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/roi/adaptive_head.h>

namespace rcnn::nn {
namespace {

enum class Fusion { max, sum };

/// Into the first: what the others say of the same RoIs.
at::Tensor fused_with(const at::Tensor& some, const at::Tensor& others, Fusion fusion) {
  if (!some.defined()) return others;
  return fusion == Fusion::max ? at::maximum(some, others) : some + others;
}

SvdLinear xavier_linear(torch::nn::Module& owner, const std::string& name, int64_t in, int64_t out,
                        const config::Node& node) {
  SvdLinear layer(owner, name, in, out, svd_rank(node, name, in, out));
  torch::nn::init::xavier_uniform_(layer.last()->weight);
  torch::nn::init::zeros_(layer.last()->bias);
  return layer;
}

/// fc6 of each grid, their fusion, fc7.
class AdaptiveMlpHead : public BoxHeadImpl {
 public:
  AdaptiveMlpHead(const config::Node& node, const std::vector<GridSpec>& grids, Fusion fusion, int64_t hidden,
                  const NormOptions& norm)
      : fusion_(fusion) {
    const auto inputs = grids.front().channels * grids.front().size * grids.front().size;
    for (size_t i = 0; i < grids.size(); ++i) {
      fc6_.push_back(layer(node, fmt::format("fc6_{}", i), inputs, hidden, norm));
    }
    fc7_.emplace(layer(node, "fc7", hidden, hidden, norm));
  }

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    at::Tensor x;
    for (size_t i = 0; i < grids.size(); ++i) x = fused_with(x, fc6_[i](grids[i].flatten(1)), fusion_);
    return (*fc7_)(x);
  }

  int64_t channels() const override { return fc7_->linear.out(); }

 private:
  /// Rectified behind its norm.
  struct Layer {
    SvdLinear linear;
    torch::nn::GroupNorm norm = nullptr;

    at::Tensor operator()(const at::Tensor& x) {
      const auto y = linear(x);
      if (norm.is_empty()) return y.relu_();
      return norm->forward(y.to(norm->weight.scalar_type())).to(y.scalar_type()).relu_();
    }
  };

  Layer layer(const config::Node& node, const std::string& name, int64_t in, int64_t out,
              const NormOptions& norm) {
    Layer layer{.linear = xavier_linear(*this, name, in, out, node)};
    if (norm.type == Norm::group) {
      layer.norm = register_module(
          name + "_norm", torch::nn::GroupNorm(torch::nn::GroupNormOptions(norm.groups, out).eps(norm.eps)));
    }
    return layer;
  }

  Fusion fusion_;
  std::vector<Layer> fc6_;
  std::optional<Layer> fc7_;
};

/// The first convolution of each grid, their fusion, the other convolutions and a fully connected layer.
class AdaptiveConvHead : public BoxHeadImpl, public Fusible {
 public:
  struct Options {
    int64_t convs = 4, channels = 256, hidden = 1024;
    NormOptions norm{.type = Norm::none};
  };

  AdaptiveConvHead(const config::Node& node, const std::vector<GridSpec>& grids, Fusion fusion,
                   const Options& options)
      : fusion_(fusion) {
    const auto first = register_module("0", std::make_shared<torch::nn::Module>());
    for (size_t i = 0; i < grids.size(); ++i) {
      first_.push_back(conv(grids[i].channels, options));
      first->register_module(std::to_string(i), first_.back().block());
    }
    for (int64_t i = 1; i < options.convs; ++i) {
      convs_.push_back(conv(options.channels, options));
      register_module(std::to_string(i), convs_.back().block());
    }
    // The conv head's name, which counts the flattening.
    hidden_.emplace(xavier_linear(*this, std::to_string(options.convs + 1),
                                  options.channels * grids.front().size * grids.front().size, options.hidden,
                                  node));
  }

  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    at::Tensor x;
    for (size_t i = 0; i < grids.size(); ++i) x = fused_with(x, first_[i].relu(grids[i]), fusion_);
    for (auto& layer : convs_) x = layer.relu(x);
    return (*hidden_)(x.flatten(1)).relu_();
  }

  int64_t channels() const override { return hidden_->out(); }

  void fuse(Precision precision) override {
    for (auto& layer : first_) layer.fuse(precision);
    for (auto& layer : convs_) layer.fuse(precision);
  }

 private:
  static ConvNorm conv(int64_t in, const Options& options) {
    torch::nn::Conv2d layer(
        torch::nn::Conv2dOptions(in, options.channels, 3).padding(1).bias(options.norm.type == Norm::none));
    torch::nn::init::kaiming_normal_(layer->weight, 0, torch::kFanOut, torch::kReLU);
    if (layer->bias.defined()) torch::nn::init::zeros_(layer->bias);
    return {layer, options.norm};
  }

  Fusion fusion_;
  std::vector<ConvNorm> first_, convs_;
  std::optional<SvdLinear> hidden_;
};

}  // namespace

std::shared_ptr<BoxHeadImpl> make_adaptive_head(const config::Node& node,
                                                const std::vector<GridSpec>& grids) {
  for (const auto& grid : grids) {
    if (grid.channels != grids.front().channels || grid.size != grids.front().size) {
      throw node.error("type",
                       "adaptive fuses grids of one size and of the same channels, which the pooler "
                       "does not give");
    }
  }
  auto fusion = Fusion::max;
  node.read("fusion", fusion, {{"max", Fusion::max}, {"sum", Fusion::sum}});
  AdaptiveConvHead::Options options{.convs = 0};
  node.read("convs", options.convs, {.min = 0, .max = 64});
  node.read("hidden", options.hidden, {.min = 1});
  if (options.convs > 0) {
    node.read("channels", options.channels, {.min = 1});
    options.norm.read(node, options.channels);
    return std::make_shared<AdaptiveConvHead>(node, grids, fusion, options);
  }
  options.norm.read(node, options.hidden);
  if (options.norm.type == Norm::frozen || options.norm.type == Norm::batch) {
    throw node.error("norm", "must be none or group for fully connected layers; with convs it may be any");
  }
  return std::make_shared<AdaptiveMlpHead>(node, grids, fusion, options.hidden, options.norm);
}

}  // namespace rcnn::nn
