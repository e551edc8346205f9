#include <rcnn/config/config.h>
#include <rcnn/nn/detection_model.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

TEST(Normalize, ShiftsAndScalesEachChannelAndZeroesThePadding) {
  const PixelOptions options{.mean = {0.5, 0.25, 0}, .std = {0.5, 1, 2}};
  // Two images in 2 x 3: one fills it, the other is 1 x 2.
  const auto pixels = torch::full({2, 2, 3, 3}, 255, at::kByte);
  pixels[0][1][2] = torch::tensor({0, 51, 102}, at::kByte);
  const ImageBatch batch{pixels, {{2, 3}, {1, 2}}};
  const auto before = pixels.clone();
  const auto got = normalize(batch, options);
  EXPECT_TRUE(identical(pixels, before));

  auto expected = torch::tensor({1.f, 0.75f, 0.5f}).view({1, 3, 1, 1}).repeat({2, 1, 2, 3});
  expected.select(0, 0).select(1, 1).select(1, 2).copy_(torch::tensor({-1.f, -0.05f, 0.2f}));
  expected.select(0, 1).slice(1, 1).zero_();
  expected.select(0, 1).slice(2, 2).zero_();
  EXPECT_TRUE(close(got, expected));
  EXPECT_TRUE(identical(got[1].slice(1, 1), torch::zeros({3, 1, 3})));
}

TEST(Normalize, GivesChannelsLastWhateverTheStrides) {
  const ImageBatch batch{torch::zeros({2, 4, 6, 3}, at::kByte), {{4, 6}, {3, 5}}};
  const auto images = normalize(batch, {});
  EXPECT_EQ(images.scalar_type(), at::kFloat);
  EXPECT_EQ(images.sizes(), (std::vector<int64_t>{2, 3, 4, 6}));
  EXPECT_TRUE(images.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(PixelOptions, AreReadAndChecked) {
  const auto from = [](const char* json) {
    return PixelOptions::from(config::Config::parse(json, "f.json").root());
  };
  const auto options = from(R"({"mean": [0, 0.1, 1], "std": [1, 2, 3]})");
  EXPECT_EQ(options.mean, (std::array{0., 0.1, 1.}));
  EXPECT_EQ(options.std, (std::array{1., 2., 3.}));
  EXPECT_EQ(from("{}").mean, PixelOptions().mean);
  EXPECT_EQ(message_of<ConfigError>([&] { from(R"({"mean": [0, 1]})"); }),
            "f.json: mean: must be three numbers, for red, green and blue");
  EXPECT_NE(message_of<ConfigError>([&] { from(R"({"std": [1, 0, 1]})"); }).find("std"), std::string::npos);
  EXPECT_NE(message_of<ConfigError>([&] { from(R"({"means": [1, 0, 1]})"); }).find("did you mean mean?"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
