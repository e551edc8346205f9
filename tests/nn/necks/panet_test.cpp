#include <rcnn/nn/necks/panet.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

TEST(Panet, HasThePublishedNumberOfParameters) {
  int64_t count = 0;
  for (const auto& parameter : PanetImpl(backbone_maps({256, 512, 1024, 2048}), {}).parameters()) {
    count += parameter.numel();
  }
  EXPECT_EQ(count, 6'884'864);
}

TEST(Panet, PafpnIsMmdetections) {
  for (const char* key : {"pafpn", "pafpn_rectified"}) expect_golden(key);
}

TEST(Panet, HoldsWhatEveryNeckHolds) {
  for (const char* rest :
       {R"("form": "pafpn")", R"("form": "paper", "norm": "batch", "extra_levels": {"count": 2})",
        R"("form": "paper", "activation": "none", "norm": "group", "norm_groups": 2)",
        R"("form": "pafpn", "activation": "relu", "extra_levels": {"type": "conv", "source": "lateral"})"}) {
    expect_of_every_neck(fmt::format(R"({{"type": "panet", "channels": 6, {}}})", rest),
                         backbone_maps({2, 3, 4, 5}));
  }
}

/// One channel, every convolution the identity, those behind the sums of the way up times `factor`; what it
/// makes of constant maps, so chosen that FPN's are `pyramid`.
std::vector<double> of_constants(const std::string& rest, const std::vector<double>& pyramid,
                                 double factor = 1) {
  const torch::NoGradGuard no_grad;
  const auto features = backbone_maps(std::vector<int64_t>(pyramid.size(), 1));
  const auto neck =
      make_neck(R"({"type": "panet", "channels": 1, "extra_levels": {"count": 0})" + rest + "}", features);
  for (const auto& [name, tensor] : state_of(*neck)) {
    at::Tensor(tensor).zero_();
    if (tensor.dim() != 4) continue;
    tensor.slice(2, tensor.size(2) / 2, tensor.size(2) / 2 + 1)
        .slice(3, tensor.size(3) / 2, tensor.size(3) / 2 + 1)
        .fill_(name.starts_with("output_blocks") ? factor : 1);
  }
  std::vector<at::Tensor> maps;
  for (size_t i = 0; i < pyramid.size(); ++i) {
    const double above = i + 1 < pyramid.size() ? pyramid[i + 1] : 0;
    maps.push_back(at::full({1, 1, 32 >> i, 32 >> i}, pyramid[i] - above));
  }
  std::vector<double> values;
  for (const auto& output : neck->forward(maps)) {
    EXPECT_EQ(output.min().item<double>(), output.max().item<double>());
    values.push_back(output.max().item<double>());
  }
  return values;
}

TEST(Panet, OfConstantsIsWhatPaperAndPencilSay) {
  using Values = std::vector<double>;
  const Values c = {1, 2, 4, 8};
  const std::string paper = R"(, "form": "paper")", pafpn = R"(, "form": "pafpn")";
  EXPECT_EQ(of_constants(paper, c), (Values{1, 3, 7, 15}));
  EXPECT_EQ(of_constants(pafpn, c), (Values{1, 3, 7, 15}));
  // The second convolution counts once in what goes up, or not at all.
  EXPECT_EQ(of_constants(paper, c, 2), (Values{1, 2 * (2 + 1), 2 * (4 + 2 * 3), 2 * (8 + 2 * (4 + 2 * 3))}));
  EXPECT_EQ(of_constants(pafpn, c, 2), (Values{1, 2 * 3, 2 * 7, 2 * 15}));
}

TEST(Panet, ThePapersFormIsRectifiedOnTheWayUpAlone) {
  using Values = std::vector<double>;
  const Values c = {-3, -1, 2, -4};
  // down of -3 is 0, the sum -1 becomes 0, 2 stays, and -4 + 2 becomes 0.
  EXPECT_EQ(of_constants("", c), (Values{-3, 0, 2, 0}));
  EXPECT_EQ(of_constants(R"(, "activation": "none")", c), (Values{-3, -4, -2, -6}));
  EXPECT_EQ(of_constants(R"(, "form": "pafpn")", c), (Values{-3, -4, -2, -6}));
}

TEST(Panet, TheFinestMapReachesTheCoarsestOverTwoConvolutionsALevel) {
  const auto features = backbone_maps({2, 3, 4, 5});
  for (const char* form : {"paper", "pafpn"}) {
    const auto neck =
        make_neck(fmt::format(R"({{"type": "panet", "channels": 6, "form": "{}"}})", form), features);
    torch::manual_seed(7);
    std::vector<at::Tensor> maps;
    for (size_t i = 0; i < 4; ++i) {
      maps.push_back(at::randn({1, features[i].channels, 32 >> i, 32 >> i}).requires_grad_());
    }
    neck->forward(maps)[3].square().sum().backward();
    for (const auto& map : maps) EXPECT_GT(map.grad().abs().max().item<double>(), 0) << form;
    for (const auto& [name, parameter] : neck->named_parameters().pairs()) {
      // PAFPN's convolutions of n3 and n4 see what goes up, and are not part of it.
      const bool beside = form == std::string("pafpn") &&
                          (name.starts_with("output_blocks.0.") || name.starts_with("output_blocks.1."));
      EXPECT_EQ(parameter.grad().defined(), !beside) << form << " " << name;
    }
  }
}

TEST(Panet, NamesAreFpnsAndTwoMore) {
  const auto shapes =
      shapes_of(*make_neck(R"({"type": "panet", "norm": "batch"})", backbone_maps({256, 512, 1024, 2048})));
  for (const char* name : {"inner_blocks.3.0.weight", "layer_blocks.0.1.running_var",
                           "downsample_blocks.2.0.weight", "output_blocks.0.1.bias"}) {
    EXPECT_TRUE(shapes.contains(name)) << name;
  }
  EXPECT_FALSE(shapes.contains("downsample_blocks.3.0.weight"));
}

TEST(Panet, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& rest, const std::vector<FeatureSpec>& features) {
    return message_of<ConfigError>([&] { make_neck(R"({"type": "panet")" + rest + "}", features); });
  };
  const auto four = backbone_maps({2, 3, 4, 5});
  EXPECT_EQ(message("", {four[0], four[2]}),
            "f.json: type: panet needs maps each of which has twice the stride of the one before, and "
            "model.backbone gives 2 of strides 4, 16: see its levels and c5_dilation");
  EXPECT_NE(
      message("", {four[3]}).find("panet needs 2 maps at least, and model.backbone gives 1 of strides 32"),
      std::string::npos);
  EXPECT_NE(message(R"(, "form": "detectron")", four).find("f.json: form"), std::string::npos);
  EXPECT_NE(message(R"(, "activation": "swish")", four).find("f.json: activation"), std::string::npos);
  EXPECT_NE(message(R"(, "rectified": true)", four).find("f.json: rectified"), std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
