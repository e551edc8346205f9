#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/data/tools/anchor_coverage.h>

#include "data/loading/random.h"
#include "data/record_list.h"

namespace rcnn::data {
namespace {

using Spacing = boxes::AnchorOptions::Spacing;

AnchorMaps maps_of(std::vector<int64_t> strides, int64_t divisor, bool inside = false) {
  return {.strides = strides,
          .sizes =
              [=](ImageSize image) {
                std::vector<ImageSize> sizes;
                for (const int64_t stride : strides) {
                  const auto cells = [&](int64_t length) {
                    return ((length + divisor - 1) / divisor * divisor + stride - 1) / stride;
                  };
                  sizes.push_back({cells(image.height), cells(image.width)});
                }
                return sizes;
              },
          .inside = inside};
}

std::vector<ScaledBox> random_boxes(Random& random, int64_t count) {
  const std::vector<ImageSize> images = {{480, 640}, {333, 517}, {100, 64}, {800, 1333}};
  std::vector<ScaledBox> result;
  for (int64_t i = 0; i < count; ++i) {
    const ImageSize image = images[random.below(std::ssize(images))];
    const double width = random.uniform(1, double(image.width));
    const double height = random.uniform(1, double(image.height));
    const double x = random.uniform(0, double(image.width) - width);
    const double y = random.uniform(0, double(image.height) - height);
    result.push_back({.box = {float(x), float(y), float(x + width), float(y + height)}, .image = image});
  }
  return result;
}

/// The largest IoU with any of AnchorGenerator's anchors.
float slow_best_iou(const ScaledBox& truth, const boxes::AnchorOptions& options, const AnchorMaps& maps) {
  boxes::AnchorGenerator generator(options, maps.strides);
  at::Tensor anchors = at::cat(generator.anchors(maps.sizes(truth.image), at::kCPU));
  if (maps.inside) anchors = anchors.index({boxes::inside(anchors, truth.image, options.convention)});
  if (anchors.size(0) == 0) return 0;
  const at::Tensor box = at::tensor({truth.box.x1, truth.box.y1, truth.box.x2, truth.box.y2});
  const auto low = at::maximum(anchors.slice(1, 0, 2), box.slice(0, 0, 2));
  const auto high = at::minimum(anchors.slice(1, 2, 4), box.slice(0, 2, 4));
  const auto common = (high - low).clamp_min(0).prod(1);
  const auto areas = (anchors.slice(1, 2, 4) - anchors.slice(1, 0, 2)).prod(1);
  return (common / (areas + truth.box.width() * truth.box.height() - common)).max().item<float>();
}

TEST(AnchorCoverage, EqualsALookAtEveryAnchor) {
  struct Case {
    std::string name;
    boxes::AnchorOptions anchors;
    AnchorMaps maps;
  };
  const std::vector<Case> cases = {
      {"one level", {.sizes = {32, 64, 128, 256}}, maps_of({16}, 32)},
      {"one level, inside", {.sizes = {128, 256, 512}}, maps_of({16}, 32, true)},
      {"without padding",
       {.sizes = {32, 200}, .rounded = false, .spacing = Spacing::stride},
       maps_of({16}, 1)},
      {"in pixels",
       {.sizes = {50, 128, 256}, .spacing = Spacing::stride, .convention = boxes::Convention::pixels},
       maps_of({16}, 1)},
      {"in pixels, inside",
       {.sizes = {40, 128}, .spacing = Spacing::stride, .convention = boxes::Convention::pixels},
       maps_of({16}, 1, true)},
      {"pyramid", {.sizes = {32, 64, 128, 256, 512}}, maps_of({4, 8, 16, 32, 64}, 32)},
      {"pyramid by strides",
       {.sizes = {20, 51, 133, 256, 512},
        .ratios = {0.31, 1, 3},
        .rounded = false,
        .spacing = Spacing::stride},
       maps_of({4, 8, 16, 32, 64}, 32)}};
  for (const uint64_t seed : {0, 1}) {
    Random random(seed);
    const auto boxes = random_boxes(random, 40);
    for (const auto& [name, anchors, maps] : cases) {
      SCOPED_TRACE(name + ", seed " + std::to_string(seed));
      const auto fast = best_anchor_ious(boxes, anchors, maps);
      for (size_t i = 0; i < boxes.size(); ++i) {
        // Both compute in float32, in another order.
        EXPECT_NEAR(fast[i], slow_best_iou(boxes[i], anchors, maps), 1e-5) << i;
      }
    }
  }
}

TEST(AnchorCoverage, CasesByHand) {
  const boxes::AnchorOptions anchors{.sizes = {32}, .ratios = {1}};
  const auto best = [&](const Box& box, bool inside = false) {
    return best_anchor_ious(std::vector<ScaledBox>{{.box = box, .image = {128, 128}}}, anchors,
                            maps_of({16}, 32, inside))[0];
  };
  EXPECT_FLOAT_EQ(best({16, 32, 48, 64}), 1) << "the anchor around the cell at (32, 48)";
  EXPECT_FLOAT_EQ(best({24, 32, 56, 64}), 24.f / 40) << "half-way between two cells";
  EXPECT_FLOAT_EQ(best({24, 40, 40, 56}), 16.f * 16 / (32 * 32));
  EXPECT_FLOAT_EQ(best({0, 0, 16, 16}), 0.25) << "around the cell in the corner";
  EXPECT_FLOAT_EQ(best({0, 0, 16, 16}, true), 0.25) << "around the cell at (16, 16)";
  EXPECT_FLOAT_EQ(best({112, 112, 128, 128}), 0.25) << "the last cell's centre is at 112";
  EXPECT_TRUE(best_anchor_ious({}, anchors, maps_of({16}, 32)).empty());
  const auto tiny = best_anchor_ious(std::vector<ScaledBox>{{.box = {0, 0, 20, 20}, .image = {20, 20}}},
                                     anchors, maps_of({16}, 32, true));
  EXPECT_EQ(tiny[0], 0) << "no anchor lies inside";
}

TEST(AnchorCoverage, BoxesAreScaledLikeTheImage) {
  const RecordList dataset({{.id = "a",
                             .image = "a.jpg",
                             .size = {100, 200},
                             .objects = {{{10, 20, 30, 40}, 2, false}, {{0, 0, 9, 9}, 1, true}}}},
                           {{1, "cat"}, {2, "dog"}});
  const auto boxes = scaled_boxes(dataset, 300, 1000);
  ASSERT_EQ(boxes.size(), 1u) << "what is ignored needs no anchor";
  EXPECT_EQ(boxes[0].box, (Box{30, 60, 90, 120}));
  EXPECT_EQ(boxes[0].image, (ImageSize{300, 600}));
  const auto in_pixels = scaled_boxes(dataset, 300, 1000, Resize::torchvision, boxes::Convention::pixels);
  EXPECT_EQ(in_pixels[0].box, (Box{30, 60, 88, 118})) << "the last pixels are 3 * 29 and 3 * 39";
  EXPECT_EQ(boxes[0].label, 2);
}

double mean(const std::vector<float>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

/// Upright boxes of 40 x 160 and 20 x 80 pixels, all within a tenth of that.
std::vector<ScaledBox> upright_boxes(uint64_t seed) {
  Random random(seed);
  std::vector<ScaledBox> boxes;
  for (int i = 0; i < 300; ++i) {
    const double height = (i % 2 ? 160 : 80) * random.uniform(0.9, 1.1);
    const double x = random.uniform(0, 500), y = random.uniform(0, 300);
    boxes.push_back(
        {.box = {float(x), float(y), float(x + height / 4), float(y + height)}, .image = {480, 640}});
  }
  return boxes;
}

TEST(AnchorCoverage, BetterAnchorsAreFoundForOddBoxes) {
  const auto boxes = upright_boxes(7);
  const auto maps = maps_of({8}, 32);
  const boxes::AnchorOptions before{.sizes = {128, 256}, .ratios = {0.5, 1}};
  const auto after = better_anchors(boxes, before, maps);
  EXPECT_EQ(after.sizes.size(), 2u);
  EXPECT_EQ(after.ratios.size(), 2u);
  EXPECT_NEAR(after.sizes[0], 40, 6);
  EXPECT_NEAR(after.sizes[1], 80, 8);
  EXPECT_LT(mean(best_anchor_ious(boxes, before, maps)), 0.45);
  EXPECT_GT(mean(best_anchor_ious(boxes, after, maps)), 0.8);
  EXPECT_EQ(better_anchors(boxes, before, maps).sizes, after.sizes) << "the same each time";
}

TEST(AnchorCoverage, BetterSizesOfAPyramidAscend) {
  const auto boxes = upright_boxes(8);
  const auto maps = maps_of({8, 16, 32}, 32);
  const boxes::AnchorOptions before{.sizes = {128, 256, 512}, .ratios = {1}};
  const auto after = better_anchors(boxes, before, maps);
  ASSERT_EQ(after.sizes.size(), 3u);
  EXPECT_TRUE(std::is_sorted(after.sizes.begin(), after.sizes.end()));
  EXPECT_NEAR(after.ratios.at(0), 4, 0.6);
  EXPECT_GT(mean(best_anchor_ious(boxes, after, maps)), mean(best_anchor_ious(boxes, before, maps)) + 0.3);
}

TEST(AnchorCoverage, WithoutBoxesTheAnchorsStay) {
  const boxes::AnchorOptions before{.sizes = {128, 256}, .ratios = {0.5, 1}};
  EXPECT_EQ(better_anchors({}, before, maps_of({16}, 32)).sizes, before.sizes);
}

}  // namespace
}  // namespace rcnn::data
