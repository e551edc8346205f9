#include <cmath>
#include <limits>

#include <rcnn/boxes/coder.h>

#include "tests/support/goldens.h"
#include "tests/support/tensors.h"

namespace rcnn::boxes {
namespace {

using namespace rcnn::test;

constexpr BoxCoderOptions kHead{.weights = {10, 10, 5, 5}};

at::Tensor random_boxes(int64_t count) {
  const auto corner = at::rand({count, 2}) * 100;
  return at::cat({corner, corner + at::rand({count, 2}) * 80 + 1}, 1);
}

TEST(BoxCoder, AgreesWithTorchvision) {
  const auto all = golden("boxes.json");
  for (const auto& want : all.at("coder")) {
    const BoxCoder coder({.weights = want.at("weights").get<std::array<double, 4>>()});
    const auto references = golden_tensor(want.at("references"));
    EXPECT_TRUE(close(coder.encode(references, golden_tensor(want.at("boxes"))),
                      golden_tensor(want.at("encoded")), 1e-5));
    const auto decoded = golden_tensor(want.at("decoded"));
    // A corner is a difference of centre and half a side, up to 2000 here.
    EXPECT_TRUE(
        close(coder.decode(references.unsqueeze(1), golden_tensor(want.at("deltas"))), decoded, 1e-3));
    EXPECT_GT((decoded.select(-1, 2) - decoded.select(-1, 0)).max().item<float>(), 500);
  }
}

TEST(BoxCoder, DecodeUndoesEncode) {
  for (const int seed : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const auto references = random_boxes(200), boxes = random_boxes(200);
    for (const auto& options : {BoxCoderOptions{}, kHead}) {
      const BoxCoder coder(options);
      const auto again = coder.decode(references, coder.encode(references, boxes));
      EXPECT_TRUE(close(again / 100, boxes / 100, 1e-5, 0));  // 100 pixels are the unit
    }
  }
}

TEST(BoxCoder, DeltasAreThePapers) {
  const auto reference = torch::tensor({{10.f, 20.f, 30.f, 60.f}});  // 20 x 40 around (20, 40)
  const auto box = torch::tensor({{20.f, 30.f, 60.f, 40.f}});        // 40 x 10 around (40, 35)
  const auto deltas = torch::tensor({{1.f, -0.125f, std::log(2.f), std::log(0.25f)}});
  EXPECT_TRUE(close(BoxCoder().encode(reference, box), deltas));
  EXPECT_TRUE(close(BoxCoder(kHead).encode(reference, box), deltas * torch::tensor({10.f, 10.f, 5.f, 5.f})));
  EXPECT_TRUE(identical(BoxCoder().decode(reference, torch::zeros({1, 4})), reference));
}

TEST(BoxCoder, OrBothAreLimited) {
  const auto reference = torch::tensor({{0.f, 0.f, 16.f, 16.f}});
  const auto deltas = torch::tensor({{0.f, 0.f, -1e4f, 1e30f}});
  const auto box = BoxCoder({.limit = BoxCoderOptions::Limit::both}).decode(reference, deltas);
  EXPECT_TRUE(close(box, torch::tensor({{8.f - 0.128f, 8.f - 500.f, 8.f + 0.128f, 8.f + 500.f}}), 1e-5));
}

TEST(BoxCoder, GrowthIsLimitedAndShrinkingIsNot) {
  const auto reference = torch::tensor({{0.f, 0.f, 16.f, 16.f}});
  const auto grown = BoxCoder().decode(reference, torch::tensor({{0.f, 0.f, 1e4f, 1e30f}}));
  EXPECT_TRUE(close(grown, torch::tensor({{-492.f, -492.f, 508.f, 508.f}}), 1e-3));
  const auto shrunk = BoxCoder().decode(reference, torch::tensor({{0.f, 0.f, -1e4f, -1e4f}}));
  EXPECT_TRUE(identical(shrunk, torch::tensor({{8.f, 8.f, 8.f, 8.f}})));
}

TEST(BoxCoder, DecodeHasTheGradientOfItsFormula) {
  torch::manual_seed(4);
  const auto references = random_boxes(4).to(at::kDouble);
  const auto deltas = at::randn({4, 4}, at::kDouble);
  deltas[0][2] = 9;  // beyond the limit: a constant there
  const auto weight = at::randn({4, 4}, at::kDouble);
  const auto decode = [&](const at::Tensor& d) { return BoxCoder(kHead).decode(references, d * 5); };
  const auto input = deltas.clone().requires_grad_();
  (decode(input) * weight).sum().backward();
  EXPECT_TRUE(close(input.grad(), numeric_gradient(decode, deltas, weight), 1e-5, 1e-5));
  EXPECT_EQ(input.grad()[0][2].item<double>(), 0);
}

/// Of boxes as first and last pixel.
at::Tensor with_last_pixel(const at::Tensor& boxes) {
  return boxes + torch::tensor({0.f, 0.f, 1.f, 1.f});
}

// With the +1 widths: the anchor [0, 0, 15, 15] is 16 wide around 8, the box [8, 4, 39, 11] 32 x 8 around
// (24, 8).
TEST(BoxCoder, InPixelsSidesCountTheirLastPixel) {
  const auto anchor = torch::tensor({{0.f, 0.f, 15.f, 15.f}}), box = torch::tensor({{8.f, 4.f, 39.f, 11.f}});
  const BoxCoder coder({.convention = Convention::pixels});
  EXPECT_TRUE(close(coder.encode(with_last_pixel(anchor), with_last_pixel(box)),
                    torch::tensor({{1.f, 0.f, std::log(2.f), std::log(0.5f)}})));
  // A box of one pixel, whose centre is 0.5, against one of three around 1.5.
  EXPECT_TRUE(
      close(coder.encode(torch::tensor({{0.f, 0.f, 1.f, 1.f}}), torch::tensor({{0.f, 0.f, 3.f, 3.f}})),
            torch::tensor({{1.f, 1.f, std::log(3.f), std::log(3.f)}})));
}

TEST(BoxCoder, InPixelsEncodesAsMmdetectionsLegacyCoder) {
  const auto all = golden("legacy.json");
  for (const auto& want : all.at("coder")) {
    const BoxCoder coder(
        {.weights = want.at("weights").get<std::array<double, 4>>(), .convention = Convention::pixels});
    EXPECT_TRUE(close(coder.encode(with_last_pixel(golden_tensor(want.at("references"))),
                                   with_last_pixel(golden_tensor(want.at("boxes")))),
                      golden_tensor(want.at("encoded")), 1e-5));
  }
}

TEST(BoxCoder, InPixelsEncodesAsPyFasterRcnn) {
  const auto want = golden("legacy.json").at("encoded");
  EXPECT_TRUE(close(BoxCoder({.convention = Convention::pixels})
                        .encode(with_last_pixel(golden_tensor(want.at("references"))),
                                with_last_pixel(golden_tensor(want.at("boxes")))),
                    golden_tensor(want.at("deltas")), 1e-5));
}

TEST(BoxCoder, InPixelsDecodeIsOnePixelBeyondWhatWasEncoded) {
  for (const int seed : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const auto references = random_boxes(200), boxes = random_boxes(200);
    for (auto options : {BoxCoderOptions{}, kHead}) {
      options.convention = Convention::pixels;
      const BoxCoder coder(options);
      const auto again = coder.decode(references, coder.encode(references, boxes));
      EXPECT_TRUE(close(again / 100, with_last_pixel(boxes) / 100, 1e-5, 0));  // 100 pixels are the unit
    }
  }
}

TEST(BoxCoder, InPixelsGrowthIsNotLimited) {
  const auto reference = torch::tensor({{0.f, 0.f, 16.f, 16.f}});
  const auto grown = BoxCoder({.convention = Convention::pixels})
                         .decode(reference, torch::tensor({{0.f, 0.f, std::log(1000.f), 1e4f}}));
  const auto infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(close(grown, torch::tensor({{-7992.f, -infinity, 8009.f, infinity}}), 0.02));
}

TEST(BoxCoder, ErrorsNameTheArgument) {
  const BoxCoder coder;
  const auto boxes = torch::zeros({3, 4});
  EXPECT_EQ(error_of([&] {
              coder.encode(boxes, torch::zeros({3, 5}));
            }),
            "encode: boxes: expected [..., 4], got [3, 5]");
  // They would broadcast.
  EXPECT_EQ(error_of([&] {
              coder.encode(boxes, torch::zeros({1, 4}));
            }),
            "encode: boxes: expected the references' shape [3, 4], got [1, 4]");
  EXPECT_EQ(error_of([&] { coder.decode(boxes.to(at::kInt), boxes); }),
            "decode: references: expected a floating-point type, got Int");
  EXPECT_EQ(error_of([&] {
              coder.decode(boxes, torch::zeros({3, 8}));
            }),
            "decode: deltas: expected [..., 4], got [3, 8]");
}

TEST(BoxCoder, NothingGivesNothing) {
  const auto none = torch::zeros({0, 4});
  EXPECT_TRUE(identical(BoxCoder().encode(none, none), none));
  EXPECT_TRUE(
      identical(BoxCoder().decode(none.unsqueeze(1), torch::zeros({0, 3, 4})), torch::zeros({0, 3, 4})));
}

}  // namespace
}  // namespace rcnn::boxes
