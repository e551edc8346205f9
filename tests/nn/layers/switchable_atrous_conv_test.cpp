#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/layers/switchable_atrous_conv.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::shared_ptr<SwitchableAtrousConvImpl> sac(bool deformable, int64_t stride = 1, int64_t dilation = 1) {
  torch::manual_seed(5);
  const auto conv = std::make_shared<SwitchableAtrousConvImpl>(
      torch::nn::Conv2dOptions(3, 4, 3).stride(stride).padding(dilation).dilation(dilation).bias(false),
      deformable);
  conv->to(at::kDouble);
  return conv;
}

at::Tensor input(int64_t height = 9, int64_t width = 7) {
  return at::randn({2, 3, height, width}, at::kDouble).contiguous(at::MemoryFormat::ChannelsLast);
}

TEST(SwitchableAtrousConv, AFreshOneIsTheConvolution) {
  const torch::NoGradGuard no_grad;
  for (const bool deformable : {false, true}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t dilation : {1, 2}) {
        const auto conv = sac(deformable, stride, dilation);
        for (const auto& [height, width] : {std::pair{9, 7}, {3, 3}, {8, 3}}) {
          const auto x = input(height, width);
          EXPECT_TRUE(
              close(conv->forward(x), at::conv2d(x, conv->weight, {}, stride, dilation, dilation), 1e-5));
        }
      }
    }
  }
}

TEST(SwitchableAtrousConv, TheSwitchIsTheNearOnesShare) {
  const torch::NoGradGuard no_grad;
  const auto conv = sac(false);
  auto state = state_of(*conv);
  state.at("weight_diff").normal_();
  const auto x = input();
  const auto near = at::conv2d(x, conv->weight, {}, 1, 1),
             far = at::conv2d(x, conv->weight + state.at("weight_diff"), {}, 1, 3, 3);
  for (const double share : {1.0, 0.0, 0.25, -0.5, 2.0}) {
    state.at("switch.bias").fill_(share);
    EXPECT_TRUE(close(conv->forward(x), share * near + (1 - share) * far, 1e-5)) << share;
  }
}

TEST(SwitchableAtrousConv, TheFarKernelLearnsOnlyWhereTheSwitchLetsIt) {
  const auto conv = sac(false);
  const auto parameters = conv->named_parameters();
  conv->forward(input()).square().sum().backward();
  EXPECT_EQ(parameters["weight_diff"].grad().abs().max().item<double>(), 0);
  EXPECT_GT(parameters["switch.bias"].grad().abs().max().item<double>(), 0) << "near and far differ";
  EXPECT_GT(parameters["weight"].grad().abs().max().item<double>(), 0);
  conv->zero_grad();
  {
    const torch::NoGradGuard no_grad;
    parameters["switch.bias"].fill_(0.5);
  }
  conv->forward(input()).square().sum().backward();
  EXPECT_GT(parameters["weight_diff"].grad().abs().max().item<double>(), 0);
}

TEST(SwitchableAtrousConv, FusedItComputesTheSame) {
  const torch::NoGradGuard no_grad;
  for (const bool deformable : {false, true}) {
    for (const auto type : {Norm::none, Norm::frozen, Norm::batch, Norm::group}) {
      const auto conv = sac(deformable, 2);
      for (auto& parameter : conv->parameters()) parameter.add_(0.1 * at::randn_like(parameter));
      ConvNorm layer(torch::nn::Conv2d(std::static_pointer_cast<torch::nn::Conv2dImpl>(conv)),
                     {.type = type, .groups = 2});
      if (layer.norm()) {
        layer.norm()->to(at::kDouble);
        for (auto& buffer : layer.norm()->buffers()) {
          if (buffer.is_floating_point()) buffer.add_(0.5);
        }
        layer.norm()->eval();
      }
      const auto x = input();
      const auto y = layer(x), sum = at::randn_like(y);
      EXPECT_TRUE(close(layer.add_relu(x, sum), at::relu(y + sum), 1e-12));
      for (int times = 0; times < 2; ++times) {
        layer.fuse(Precision::fp32);
        EXPECT_TRUE(close(layer(x), y, 1e-10));
        EXPECT_TRUE(close(layer.relu(x), at::relu(y), 1e-10));
        EXPECT_TRUE(close(layer.add_relu(x, sum), at::relu(y + sum), 1e-10));
      }
      EXPECT_EQ(conv->weight.numel(), 0);
      EXPECT_EQ(layer(input().slice(0, 0, 0)).sizes(), (std::vector<int64_t>{0, 4, 5, 4}));
    }
  }
}

TEST(SwitchableAtrousConv, APlainConvolutionsWeightsMakeItTheConvolutionWhateverItWas) {
  const torch::NoGradGuard no_grad;
  const auto conv = sac(true);
  for (auto& tensor : conv->parameters()) tensor.normal_();
  const auto weight = at::randn({4, 3, 3, 3}, at::kDouble);
  const auto report = load_initial(*conv, {{"weight", weight}}, "plain");
  EXPECT_TRUE(report.fresh.empty());
  EXPECT_EQ(report.derived.size(), state_of(*conv).size() - 1);
  const auto x = input();
  EXPECT_TRUE(close(conv->forward(x), at::conv2d(x, weight, {}, 1, 1), 1e-5));
}

TEST(SwitchableAtrousConv, TakesThreeByThreeWithoutBias) {
  for (const auto& options :
       {torch::nn::Conv2dOptions(3, 4, 3), torch::nn::Conv2dOptions(3, 4, 1).bias(false)}) {
    EXPECT_NE(
        error_of([&] { SwitchableAtrousConvImpl(options, false); }).find("3x3 convolution without bias"),
        std::string::npos);
  }
}

}  // namespace
}  // namespace rcnn::nn
