#include <cmath>

#include <rcnn/nn/necks/nas_fpn.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

TEST(NasFpn, IsMmdetections) {
  for (const char* key : {"nas_fpn", "nas_fpn_plain"}) expect_golden(key);
}

TEST(NasFpn, HoldsWhatEveryNeckHolds) {
  const auto three = backbone_maps({4, 6, 10});
  expect_of_every_neck(R"({"type": "nas_fpn", "channels": 8, "stacks": 2})", three);
  expect_of_every_neck(R"({"type": "nas_fpn", "channels": 8, "stacks": 1, "norm": "group", "norm_groups": 4,
                           "global_pooling": "average", "extra_levels": {"type": "conv"}})",
                       backbone_maps({3, 4, 6, 10}));
}

TEST(NasFpn, HasMmdetectionsNumberOfParameters) {
  int64_t count = 0;
  for (const auto& parameter :
       NasFpnImpl(backbone_maps({512, 1024, 2048}), {.extra_levels = NasFpnOptions::ExtraLevels::conv})
           .parameters()) {
    count += parameter.numel();
  }
  EXPECT_EQ(count, 29'990'144);
}

TEST(NasFpn, SaysWhatItGives) {
  const auto neck =
      make_neck(R"({"type": "nas_fpn", "channels": 8, "stacks": 1})", backbone_maps({4, 6, 10}));
  const auto features = neck->features();
  ASSERT_EQ(features.size(), 5u);
  EXPECT_EQ(features.front().name, "p3");
  EXPECT_EQ(features.back().stride, 128);
  EXPECT_EQ(neck->size_divisor(), 128);
  const auto all = make_neck(R"({"type": "nas_fpn", "channels": 8, "stacks": 1, "roi_levels": 2})",
                             backbone_maps({3, 4, 6, 10}))
                       ->features();
  EXPECT_EQ(all.front().name, "p2");
  EXPECT_EQ(all.back().name, "p6") << "five levels over any number of maps";
  EXPECT_EQ(for_rois(all, all).size(), 2u);
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

TEST(NasFpn, OfConstantsIsWhatPaperAndPencilSay) {
  const torch::NoGradGuard no_grad;
  for (const bool max : {true, false}) {
    const auto neck = make_neck(
        fmt::format(
            R"({{"type": "nas_fpn", "channels": 1, "stacks": 1, "norm": "none", "global_pooling": "{}"}})",
            max ? "max" : "average"),
        backbone_maps({1, 1, 1}));
    for (const auto& [name, tensor] : state_of(*neck)) {
      at::Tensor(tensor).zero_();
      if (tensor.dim() < 4) continue;
      const auto middle = tensor.size(2) / 2;
      tensor.select(3, middle).select(2, middle).fill_(1);
    }
    neck->to(at::kDouble);
    const double i3 = 0.1, i4 = 0.2, i5 = 0.3, i6 = i5, i7 = i5;  // poolings of c5
    const auto gated = [&](double coarse, double fine) {
      return max ? coarse + fine * sigmoid(coarse) : fine + coarse * sigmoid(fine);
    };
    const double n6 = gated(i6, i4) + i4, p3 = n6 + i3, p4 = p3 + n6, p5 = i5 + gated(p4, p3),
                 p7 = i7 + gated(p5, n6), p6 = gated(p7, p5);
    std::vector<at::Tensor> maps;
    for (const double value : {i3, i4, i5}) {
      const auto side = 16 >> maps.size();
      maps.push_back(at::full({1, 1, side, side}, value, at::kDouble));
    }
    const auto outputs = neck->forward(maps);
    const double want[] = {p3, p4, p5, p6, p7};
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(outputs[i].min().item<double>(), want[i], 1e-12) << max << i;
      EXPECT_NEAR(outputs[i].max().item<double>(), want[i], 1e-12) << max << i;
    }
  }
}

/// The paper's graph as a table: for each cell its inputs, the coarser first, the level of its output, an
/// input of that level that has not been used, whether it is global pooling, and its name.
struct Cell {
  int coarse, fine, level, leftover;
  bool pools;
  const char* name;
};
const Cell kCells[] = {{3, 1, 1, -1, true, "gp_64_4"},   {5, 1, 1, -1, false, "sum_44_4"},
                       {6, 0, 0, -1, false, "sum_43_3"}, {6, 7, 1, -1, false, "sum_34_4"},
                       {8, 7, 2, 2, true, "sum_55_5"},   {9, 6, 4, 4, true, "sum_77_7"},
                       {10, 9, 3, -1, true, "gp_75_6"}};

// No code of others computes the authors' form here: the table above and LibTorch's operators do.
TEST(NasFpn, TheAuthorsFormIsTheirTable) {
  const torch::NoGradGuard no_grad;
  const auto features = backbone_maps({4, 6, 10});
  const auto neck = make_neck(R"({"type": "nas_fpn", "channels": 8, "stacks": 1})", features);
  neck->to(at::kDouble);
  fill_neck(*neck);
  neck->eval();
  const auto state = state_of(*neck);
  const auto normed = [&](const at::Tensor& x, const std::string& conv, int64_t padding) {
    const auto bias = state.find(conv + "conv.bias");
    const auto y = at::conv2d(x, state.at(conv + "conv.weight"),
                              bias == state.end() ? at::Tensor() : bias->second, 1, padding);
    return at::batch_norm(y, state.at(conv + "bn.weight"), state.at(conv + "bn.bias"),
                          state.at(conv + "bn.running_mean"), state.at(conv + "bn.running_var"), false, 0,
                          1e-5, false);
  };
  const auto maps = maps_of(features, 256, 384);
  std::vector<at::Tensor> nodes;
  std::vector<int> levels = {0, 1, 2, 3, 4};
  for (size_t i = 0; i < 3; ++i) nodes.push_back(normed(maps[i], fmt::format("lateral_convs.{}.", i), 0));
  for (size_t i = 3; i < 5; ++i) nodes.push_back(at::max_pool2d(nodes.back(), 2, 2));
  for (const auto& cell : kCells) {
    const auto resized = [&](int node) {
      const auto step = cell.level - levels[static_cast<size_t>(node)];
      const auto& x = nodes[static_cast<size_t>(node)];
      if (step > 0) return at::max_pool2d(x, 1 << step, 1 << step);
      return x.repeat_interleave(1 << -step, 2).repeat_interleave(1 << -step, 3);
    };
    const auto a = resized(cell.coarse), b = resized(cell.fine);
    auto sum = cell.pools ? a + b * at::sigmoid(std::get<0>(at::adaptive_max_pool2d(a, {1, 1}))) : a + b;
    if (cell.leftover >= 0) sum = sum + nodes[static_cast<size_t>(cell.leftover)];
    nodes.push_back(normed(at::relu(sum), fmt::format("fpn_stages.0.{}.out_conv.", cell.name), 1));
    levels.push_back(cell.level);
  }
  const auto outputs = neck->forward(maps);
  const size_t order[] = {7, 8, 9, 11, 10};
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(close(outputs[i], nodes[order[i]], 1e-11, 1e-11)) << i;
}

TEST(NasFpn, NamesAreMmdetections) {
  const auto shapes = shapes_of(*make_neck(
      R"({"type": "nas_fpn", "stacks": 1, "extra_levels": {"type": "conv"}})", backbone_maps({4, 6, 10})));
  using Shape = std::vector<int64_t>;
  for (const auto& [name, shape] : std::vector<std::pair<const char*, Shape>>{
           {"lateral_convs.2.conv.weight", {256, 10, 1, 1}},
           {"lateral_convs.0.bn.running_mean", {256}},
           {"extra_downsamples.1.0.conv.weight", {256, 256, 1, 1}},
           {"extra_downsamples.0.0.bn.weight", {256}},
           {"fpn_stages.0.gp_64_4.out_conv.conv.weight", {256, 256, 3, 3}},
           {"fpn_stages.0.sum_77_7.out_conv.conv.bias", {256}},
           {"fpn_stages.0.gp_75_6.out_conv.bn.running_var", {256}}}) {
    ASSERT_TRUE(shapes.contains(name)) << name;
    EXPECT_EQ(shapes.at(name), shape) << name;
  }
  EXPECT_FALSE(shapes.contains("lateral_convs.0.conv.bias"));
}

TEST(NasFpn, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& rest, const std::vector<FeatureSpec>& features) {
    return message_of<ConfigError>([&] { make_neck(R"({"type": "nas_fpn")" + rest + "}", features); });
  };
  const auto three = backbone_maps({4, 6, 10});
  EXPECT_NE(message("", {three[0], three[2]}).find("nas_fpn needs maps each of which has twice the stride"),
            std::string::npos);
  std::vector<FeatureSpec> six;
  for (int64_t stride = 2; stride <= 64; stride *= 2) six.push_back({"c1", 4, stride});
  EXPECT_NE(message("", six).find("nas_fpn needs 5 maps at most"), std::string::npos);
  EXPECT_NE(message(R"(, "extra_levels": {"count": 1})", three).find("f.json: extra_levels.count"),
            std::string::npos);
  EXPECT_NE(message(R"(, "global_pooling": "mean")", three).find("f.json: global_pooling"),
            std::string::npos);
  EXPECT_NE(message(R"(, "stacks": 0)", three).find("f.json: stacks"), std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
