#include <fstream>

#include <nlohmann/json.hpp>

#include <rcnn/config/config.h>
#include <rcnn/nn/pixels.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

at::Tensor as_tensor(const nlohmann::json& image) {
  std::vector<double> values;
  for (const auto& row : image) {
    for (const auto& pixel : row) values.insert(values.end(), pixel.begin(), pixel.end());
  }
  return at::tensor(values).reshape({std::ssize(image), std::ssize(image[0]), 3});
}

TEST(NetworkInput, IsOfTheLeastSideAtLeast) {
  const ImageBatch batch{{torch::full({2, 70, 3}, 255, at::kByte)}, {{2, 70}}};
  const auto got = network_input(batch, {}, 32, at::kFloat, 65);
  EXPECT_EQ(got.sizes(), (std::vector<int64_t>{1, 3, 96, 96}));
  EXPECT_TRUE(identical(got.slice(2, 2), at::zeros({1, 3, 94, 96})));
  EXPECT_TRUE(identical(got.slice(2, 0, 2), network_input(batch, {}, 32, at::kFloat).slice(2, 0, 2)));
}

TEST(NetworkInput, ShiftsAndScalesEachChannelAndZeroesThePadding) {
  const PixelOptions options{.mean = {0.5, 0.25, 0}, .std = {0.5, 1, 2}};
  auto pixels = torch::full({2, 3, 3}, 255, at::kByte);
  pixels[1][2] = torch::tensor({0, 51, 102}, at::kByte);
  const auto before = pixels.clone();
  const ImageBatch batch{{pixels, torch::full({1, 2, 3}, 255, at::kByte)}, {{2, 3}, {1, 2}}};
  const auto got = network_input(batch, options, 1, at::kFloat);
  EXPECT_TRUE(identical(pixels, before));

  auto expected = torch::tensor({1.f, 0.75f, 0.5f}).view({1, 3, 1, 1}).repeat({2, 1, 2, 3});
  expected.select(0, 0).select(1, 1).select(1, 2).copy_(torch::tensor({-1.f, -0.05f, 0.2f}));
  expected.select(0, 1).slice(1, 1).zero_();
  expected.select(0, 1).slice(2, 2).zero_();
  EXPECT_TRUE(close(got, expected));
  EXPECT_TRUE(identical(got[1].slice(1, 1), torch::zeros({3, 1, 3})));
}

TEST(NetworkInput, OrderAndRangeAreCaffes) {
  const PixelOptions options{
      .order = PixelOptions::Order::bgr, .range = 255, .mean = {103.5, 116.25, 123.5}, .std = {1, 1, 2}};
  const auto pixel = torch::tensor({10, 20, 30}, at::kByte).view({1, 1, 3});
  const auto got = network_input({{pixel}, {{1, 1}}}, options, 1, at::kFloat);
  EXPECT_TRUE(close(got.flatten(), torch::tensor({30 - 103.5f, 20 - 116.25f, (10 - 123.5f) / 2})));
}

TEST(NetworkInput, ResizesAsTorchvisionDoes) {
  const PixelOptions plain{.range = 255, .mean = {0, 0, 0}, .std = {1, 1, 1}};
  const auto golden = nlohmann::json::parse(std::ifstream(RCNN_FIXTURES "/resize.json"));
  ASSERT_FALSE(golden["pixels"].empty());
  for (const auto& sample : golden["pixels"]) {
    const auto expected = as_tensor(sample["resized"]).permute({2, 0, 1});
    const auto image = as_tensor(sample["image"]).to(at::kByte);
    const ImageSize size{expected.size(1), expected.size(2)};
    const auto got = network_input({{image}, {size}}, plain, 1, at::kFloat)[0];
    ASSERT_EQ(got.sizes(), expected.sizes());
    // The golden has three decimals.
    EXPECT_LE((got.to(at::kDouble) - expected).abs().max().item<double>(), 6e-4);
  }
}

TEST(NetworkInput, ResizesAsPillowAndOpenCvDo) {
  const auto golden = nlohmann::json::parse(std::ifstream(RCNN_FIXTURES "/resize.json"));
  for (const auto& [peer, resize] : {std::pair{"pillow", Resize::pillow}, {"opencv", Resize::opencv}}) {
    const PixelOptions bytes{.range = 255, .mean = {0, 0, 0}, .std = {1, 1, 1}, .resize = resize};
    ASSERT_FALSE(golden[peer]["pixels"].empty());
    for (const auto& sample : golden[peer]["pixels"]) {
      const auto expected = as_tensor(sample["resized"]).permute({2, 0, 1}).to(at::kFloat);
      const auto image = as_tensor(sample["image"]).to(at::kByte);
      const ImageSize size{expected.size(1), expected.size(2)};
      EXPECT_TRUE(identical(network_input({{image}, {size}}, bytes, 1, at::kFloat)[0], expected))
          << peer << ": " << image.sizes() << " to " << expected.sizes();
    }
  }
}

// Detecting, scoring and training see the same pixels, wherever the network is.
TEST(NetworkInput, NormalisesBytesThatWereResized) {
  const auto image = torch::randint(0, 256, {30, 40, 3}, at::kByte);
  const ImageSize size{21, 28};
  for (const auto resize : {Resize::pillow, Resize::opencv}) {
    PixelOptions options{.range = 255, .mean = {0, 0, 0}, .std = {1, 1, 1}, .resize = resize};
    const auto bytes =
        network_input({{image}, {size}}, options, 1, at::kFloat)[0].permute({1, 2, 0}).to(at::kByte);
    options = {.order = PixelOptions::Order::bgr, .range = 255, .mean = {103, 116, 123}, .std = {57, 58, 1}};
    const auto expected = network_input({{bytes}, {size}}, options, 32, at::kFloat);
    options.resize = resize;
    EXPECT_TRUE(identical(network_input({{image}, {size}}, options, 32, at::kFloat), expected));
    const auto as_it_is = network_input({{image}, {{30, 40}}}, options, 1, at::kFloat);
    options.resize = Resize::torchvision;
    EXPECT_TRUE(identical(as_it_is, network_input({{image}, {{30, 40}}}, options, 1, at::kFloat)));
  }
}

TEST(NetworkInput, AThreadMoreChangesNoByte) {
  const auto image = torch::randint(0, 256, {311, 97, 3}, at::kByte);
  const auto threads = at::get_num_threads();
  for (const auto resize : {Resize::pillow, Resize::opencv}) {
    for (const auto& size : {ImageSize{500, 130}, ImageSize{77, 61}}) {
      const auto input = [&](int count) {
        at::set_num_threads(count);
        return network_input({{image}, {size}}, {.resize = resize}, 1, at::kFloat);
      };
      const auto alone = input(1);
      EXPECT_TRUE(identical(input(3), alone));
    }
  }
  at::set_num_threads(threads);
}

// Larger, smaller, the same, one pixel wide; the operators' order: normalised, then resized.
TEST(NetworkInput, IsWhatTheOperatorsGive) {
  torch::manual_seed(0);
  const std::vector<std::array<ImageSize, 2>> sizes = {
      {{{48, 64}, {80, 106}}}, {{{97, 61}, {33, 20}}}, {{{31, 17}, {31, 17}}}, {{{31, 17}, {31, 40}}},
      {{{1, 1}, {5, 7}}},      {{{1, 50}, {1, 9}}},    {{{40, 1}, {70, 3}}},   {{{640, 3}, {2, 2}}}};
  for (const auto order : {PixelOptions::Order::rgb, PixelOptions::Order::bgr}) {
    const PixelOptions options{.order = order, .range = 255, .mean = {103, 116, 123}, .std = {57, 58, 1}};
    const auto mean = torch::tensor({103., 116., 123.}).view({1, 3, 1, 1});
    const auto std = torch::tensor({57., 58., 1.}).view({1, 3, 1, 1});
    for (const auto& [from, to] : sizes) {
      const auto image = torch::randint(0, 256, {from.height, from.width, 3}, at::kByte);
      const auto channels = order == PixelOptions::Order::bgr ? image.flip(2) : image;
      const auto normal = (channels.permute({2, 0, 1}).unsqueeze(0).to(at::kDouble) - mean) / std;
      const auto expected = at::upsample_bilinear2d(normal, {to.height, to.width}, false);
      const ImageBatch batch{{image}, {to}};
      EXPECT_TRUE(close(network_input(batch, options, 1, at::kDouble), expected, 1e-11, 1e-11));
      // Coordinates are float32, too: 1e-6 of a row of 97 pixels, whose values are up to 255 apart.
      EXPECT_TRUE(close(network_input(batch, options, 1, at::kFloat), expected.to(at::kFloat), 2e-2, 1e-5));
      const auto by_operators = at::upsample_bilinear2d(normal.to(at::kFloat), {to.height, to.width}, false);
      EXPECT_TRUE(close(network_input(batch, options, 1, at::kFloat), by_operators, 1e-4, 1e-5));
    }
  }
}

TEST(NetworkInput, TakesViewsOfImages) {
  const auto whole = torch::randint(0, 256, {9, 12, 3}, at::kByte);
  const auto view = whole.slice(0, 2, 8).slice(1, 3, 11);
  const ImageBatch expected{{view.contiguous()}, {{13, 17}}}, got{{view}, {{13, 17}}};
  EXPECT_TRUE(identical(network_input(got, {}, 32, at::kFloat), network_input(expected, {}, 32, at::kFloat)));
}

TEST(NetworkInput, IsChannelsLastAndPaddedToAMultiple) {
  const auto image = [](int64_t height, int64_t width) {
    return torch::zeros({height, width, 3}, at::kByte);
  };
  const auto shape = [](const ImageBatch& batch) {
    const auto input = network_input(batch, {}, 32, at::kFloat);
    EXPECT_EQ(input.scalar_type(), at::kFloat);
    EXPECT_TRUE(input.is_contiguous(at::MemoryFormat::ChannelsLast));
    return input.sizes().vec();
  };
  EXPECT_EQ(shape({{image(4, 6)}, {{33, 64}}}), (std::vector<int64_t>{1, 3, 64, 64}));
  EXPECT_EQ(shape({{image(4, 6), image(7, 7)}, {{10, 65}, {33, 2}}}), (std::vector<int64_t>{2, 3, 64, 96}));
}

TEST(NetworkInput, RefusesWhatIsNoImage) {
  const auto refuses = [](const ImageBatch& batch) {
    return error_of([&] { network_input(batch, {}, 1, at::kFloat); });
  };
  for (const auto& wrong : {torch::zeros({8, 8, 3}), torch::zeros({3, 8, 8}, at::kByte),
                            torch::zeros({8, 8}, at::kByte), torch::zeros({0, 8, 3}, at::kByte)}) {
    EXPECT_NE(refuses({{wrong}, {{8, 8}}}).find("uint8 [H, W, 3]"), std::string::npos) << wrong.sizes();
  }
  EXPECT_NE(refuses({{at::Tensor()}, {{8, 8}}}), "");
  EXPECT_NE(refuses({{}, {}}), "");
  EXPECT_NE(refuses({{torch::zeros({8, 8, 3}, at::kByte)}, {}}), "");
  EXPECT_NE(refuses({{torch::zeros({8, 8, 3}, at::kByte)}, {{0, 8}}}), "");
}

TEST(PixelOptions, AreReadAndChecked) {
  const auto from = [](const char* json) {
    return PixelOptions::from(config::Config::parse(json, "f.json").root());
  };
  const auto options =
      from(R"({"order": "bgr", "range": 255, "mean": [0, 0.1, 1], "std": [1, 2, 3], "resize": "pillow"})");
  EXPECT_EQ(options.order, PixelOptions::Order::bgr);
  EXPECT_EQ(options.range, 255);
  EXPECT_EQ(options.mean, (std::array{0., 0.1, 1.}));
  EXPECT_EQ(options.std, (std::array{1., 2., 3.}));
  EXPECT_EQ(options.resize, Resize::pillow);
  EXPECT_EQ(from(R"({"resize": "opencv"})").resize, Resize::opencv);
  const auto caffe = PixelOptions::from(config::Config::parse(R"({"range": 1})", "f.json").root(),
                                        boxes::Convention::pixels);
  EXPECT_EQ(caffe.range, 1);
  EXPECT_EQ(caffe.mean, PixelOptions::caffe().mean);
  EXPECT_EQ(from("{}").resize, Resize::torchvision);  // as files have it that were written before
  EXPECT_NE(
      message_of<ConfigError>([&] { from(R"({"resize": "pil"})"); }).find("torchvision, pillow, opencv"),
      std::string::npos);
  EXPECT_EQ(from("{}").mean, PixelOptions().mean);
  EXPECT_EQ(message_of<ConfigError>([&] { from(R"({"mean": [0, 1]})"); }),
            "f.json: mean: must be three numbers, one a channel in the order of `order`");
  EXPECT_NE(message_of<ConfigError>([&] { from(R"({"std": [1, 0, 1]})"); }).find("std"), std::string::npos);
  EXPECT_NE(message_of<ConfigError>([&] { from(R"({"means": [1, 0, 1]})"); }).find("did you mean mean?"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
