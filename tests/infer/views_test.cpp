#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/infer/views.h>

#include "tests/infer/colour_finder.h"
#include "tests/infer/lively_model.h"
#include "tests/support/message_of.h"
#include "tests/support/resident_memory.h"
#include "tests/support/tensors.h"

namespace rcnn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(Views, WithoutOptionsThereIsOneAndItIsTheImage) {
  EXPECT_THAT(views_of({480, 640}, {}, 800, 1333),
              ElementsAre(View{.part = {480, 640}, .network = {800, 1066}}));
}

TEST(Views, EachScaleAndFlipIsOne) {
  const auto views = views_of({480, 640}, {.flip = true, .min_sizes = {240, 960}}, 480, 700);
  const ImageSize image{480, 640};
  EXPECT_THAT(views, ElementsAre(View{.part = image, .network = {240, 320}},
                                 View{.part = image, .network = {240, 320}, .flipped = true},
                                 View{.part = image, .network = {960, 1280}},
                                 View{.part = image, .network = {960, 1280}, .flipped = true}));
}

TEST(Views, TheLongerSideMayGrowWithTheShorterOne) {
  // 700 for 480 is 1400 for 960.
  EXPECT_EQ(views_of({100, 1000}, {.min_sizes = {960}}, 480, 700).front().network, (ImageSize{140, 1400}));
  EXPECT_EQ(views_of({17, 20}, {.min_sizes = {60}}, 480, 720, Resize::pillow).front().network,
            (ImageSize{60, 71}));  // 70.6
}

TEST(Views, TilesCoverTheImageAndOverlapEnough) {
  for (const int64_t width : {101, 150, 180, 181, 199, 1000, 1234}) {
    for (const double overlap : {0.0, 0.2, 0.5, 0.9}) {
      SCOPED_TRACE(testing::Message() << width << " pixels, overlap " << overlap);
      const auto views = views_of({80, width}, {.tile = 100, .overlap = overlap}, 100, 200);
      EXPECT_EQ(views[0].part, (ImageSize{80, width}));
      EXPECT_EQ(views[1].x, 0);
      EXPECT_EQ(views.back().x + views.back().part.width, width);
      for (size_t i = 1; i < views.size(); ++i) {
        EXPECT_EQ(views[i].part, (ImageSize{80, 100}));
        EXPECT_EQ(views[i].y, 0);
        if (i == 1) continue;
        const auto common = views[i - 1].x + 100 - views[i].x;
        EXPECT_GE(static_cast<double>(common), 100 * overlap - 1);  // places are whole pixels
        EXPECT_LT(common, 100);
      }
    }
  }
}

TEST(Views, TilesGoRowByRowAndAreAsFewAsCanBe) {
  std::vector<std::pair<int64_t, int64_t>> corners;
  for (const auto& view : views_of({180, 260}, {.tile = 100, .overlap = 0.2}, 100, 200))
    corners.emplace_back(view.x, view.y);
  EXPECT_THAT(corners, ElementsAre(std::pair(0, 0), std::pair(0, 0), std::pair(80, 0), std::pair(160, 0),
                                   std::pair(0, 80), std::pair(80, 80), std::pair(160, 80)));
}

TEST(Views, WhatIsNoLargerThanATileHasNone) {
  EXPECT_THAT(views_of({100, 100}, {.tile = 100}, 100, 200), SizeIs(1));
  EXPECT_THAT(views_of({1, 1}, {.tile = 100}, 100, 200), SizeIs(1));
  EXPECT_THAT(views_of({101, 100}, {.tile = 100}, 100, 200), SizeIs(3));
}

TEST(Views, RefuseOptionsWithoutSense) {
  for (const ViewOptions& options : {ViewOptions{.min_sizes = {0}}, ViewOptions{.tile = -1},
                                     ViewOptions{.tile = 9, .overlap = 1}, ViewOptions{.overlap = -0.1}}) {
    EXPECT_NE(test::error_of([&] { views_of({9, 9}, options, 100, 200); }), "");
  }
}

TEST(Views, PixelsAreAPartOfTheImageNotACopy) {
  const auto image = at::arange(6 * 8 * 3).to(at::kByte).view({6, 8, 3});
  const View view{.x = 2, .y = 1, .part = {4, 5}, .network = {4, 5}};
  const auto part = pixels_of(image, view);
  EXPECT_TRUE(part.equal(image.slice(0, 1, 5).slice(1, 2, 7)));
  EXPECT_TRUE(part.is_alias_of(image));
  auto flipped = view;
  flipped.flipped = true;
  EXPECT_TRUE(pixels_of(image, flipped).equal(part.flip(1)));
}

TEST(Views, BoxesGoBackToWhereTheyCameFrom) {
  const auto found = [](std::vector<float> box) {
    return Detections{torch::tensor(box).view({1, 4}), torch::ones({1}), at::ones({1}, at::kLong)};
  };
  // Twice as large for the network, 10 pixels to the right and 20 down in the image.
  View view{.x = 10, .y = 20, .part = {30, 40}, .network = {60, 80}};
  EXPECT_TRUE(in_image(found({20, 10, 40, 30}), view, {100, 100})
                  .boxes.equal(torch::tensor({{20.f, 25.f, 30.f, 35.f}})));
  view.flipped = true;
  EXPECT_TRUE(in_image(found({20, 10, 40, 30}), view, {100, 100})
                  .boxes.equal(torch::tensor({{30.f, 25.f, 40.f, 35.f}})));
}

TEST(Views, WhatTheBorderOfATileCutsIsLeftOut) {
  // A tile of 100 x 100 in the middle of an image: its four sides, and 1 pixel beside them.
  const View tile{.x = 100, .y = 100, .part = {100, 100}, .network = {100, 100}};
  const auto boxes = torch::tensor({{2.f, 2.f, 98.f, 98.f},
                                    {0.f, 50.f, 20.f, 60.f},
                                    {0.9f, 50.f, 20.f, 60.f},
                                    {50.f, 1.f, 60.f, 20.f},
                                    {50.f, 50.f, 99.5f, 60.f},
                                    {50.f, 50.f, 60.f, 100.f}});
  const Detections found{boxes, at::ones({6}), at::ones({6}, at::kLong)};
  EXPECT_EQ(in_image(found, tile, {300, 300}).boxes.size(0), 1);
  // Sides of the image cut nothing.
  EXPECT_EQ(in_image(found, {.x = 0, .y = 100, .part = tile.part, .network = tile.network}, {300, 300})
                .boxes.size(0),
            3);
  EXPECT_EQ(in_image(found, {.part = tile.part, .network = tile.network}, {100, 100}).boxes.size(0), 6);
  // Flipped, the other side of the network's image is the one that cuts.
  const View left{.x = 0, .y = 0, .part = {100, 100}, .network = {100, 100}, .flipped = true};
  EXPECT_TRUE(in_image({torch::tensor({{0.f, 5.f, 9.f, 9.f}, {90.f, 5.f, 100.f, 9.f}}), at::ones({2}),
                        at::ones({2}, at::kLong)},
                       left, {100, 300})
                  .boxes.equal(torch::tensor({{0.f, 5.f, 10.f, 9.f}})));
}

/// What a detector with these views finds.
std::vector<Detection> found_with(const ViewOptions& views, const at::Tensor& image, int64_t batch = 1) {
  const TensorDetector detector(described(std::make_shared<ColourFinder>()), at::kCPU, views, batch);
  return to_list(detector.detect(image));
}

TEST(DetectorViews, AnObjectOnTheBorderOfTilesIsFoundOnce) {
  const ViewOptions tiles{.tile = 100, .overlap = 0.2};
  for (const Box& box : {Box{85, 20, 95, 30}, Box{70, 20, 90, 30}, Box{90, 20, 105, 35}, Box{60, 20, 130, 60},
                         Box{75, 75, 90, 90}, Box{0, 0, 260, 180}, Box{255, 175, 260, 180}}) {
    const auto image = dark(180, 260);
    paint(image, box, 2);
    const auto found = found_with(tiles, image);
    ASSERT_THAT(found, SizeIs(1)) << box.x1 << ", " << box.y1;
    EXPECT_EQ(found[0].label, 2);
    EXPECT_NEAR(found[0].box.x1, box.x1, 1);
    EXPECT_NEAR(found[0].box.y1, box.y1, 1);
    EXPECT_NEAR(found[0].box.x2, box.x2, 1);
    EXPECT_NEAR(found[0].box.y2, box.y2, 1);
  }
}

TEST(DetectorViews, TilesSeeWhatTheWholeImageDoesNotTellApart) {
  // One box around two things is what the finder says of the whole image; tiles show each by itself.
  const auto image = dark(100, 400);
  const Box left{10, 20, 30, 60}, right{350, 40, 380, 80};
  paint(image, left, 1), paint(image, right, 1);
  EXPECT_THAT(found_with({}, image), SizeIs(1));
  EXPECT_THAT(found_with({.tile = 100}, image), SizeIs(3));
}

TEST(DetectorViews, FlipsAndScalesAgree) {
  const auto image = dark(100, 150);
  const Box box{20, 30, 60, 80};
  paint(image, box, 3);
  const auto found = found_with({.flip = true, .min_sizes = {50, 100, 150}}, image, 2);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].label, 3);
  EXPECT_NEAR(found[0].box.x1, box.x1, 1e-3);
  EXPECT_NEAR(found[0].box.x2, box.x2, 1e-3);
}

TEST(DetectorViews, GoThroughTheNetworkByTheirSizes) {
  const auto finder = std::make_shared<ColourFinder>();
  const TensorDetector detector(described(finder), at::kCPU, {.flip = true, .min_sizes = {50, 100}}, 3);
  const std::vector<at::Tensor> images = {dark(100, 150), dark(150, 100), dark(200, 300)};
  const auto found = detector.detect(std::span<const at::Tensor>(images));
  EXPECT_THAT(found, SizeIs(3));
  std::vector<size_t> counts;
  for (const auto& batch : finder->sizes) {
    counts.push_back(batch.size());
    for (const auto& size : batch) EXPECT_EQ(size, batch.front());
  }
  // Four views of 50 x 75, two of 75 x 50, four of 100 x 150, two of 150 x 100.
  EXPECT_THAT(counts, ElementsAre(3, 1, 2, 3, 1, 2));
}

TEST(DetectorViews, TheModelsLimitsHold) {
  const auto finder = std::make_shared<ColourFinder>();
  finder->chosen.max_detections = 2;
  const TensorDetector detector(described(finder), at::kCPU, {.flip = true});
  const auto image = dark(100, 100);
  for (int64_t label = 1; label <= 3; ++label) paint(image, {10, 10, 40, 40}, label);
  EXPECT_THAT(to_list(detector.detect(image)), SizeIs(2));
  EXPECT_THAT(to_list(detector.detect(dark(100, 100))), SizeIs(0));
  EXPECT_TRUE(detector.detect(std::span<const at::Tensor>()).empty());
}

TEST(DetectorViews, OfAnImageAndItsMirrorAreEachOthersMirror) {
  const TensorDetector detector(lively_model(), at::kCPU, {.flip = true});
  const auto image = patches(120, 180, 1);
  const auto found = to_list(detector.detect(image)), mirrored = to_list(detector.detect(image.flip(1)));
  ASSERT_EQ(found.size(), mirrored.size());
  ASSERT_GT(found.size(), 2u);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i].score, mirrored[i].score, 1e-5);
    EXPECT_EQ(found[i].label, mirrored[i].label);
    EXPECT_NEAR(found[i].box.x1, 180 - mirrored[i].box.x2, 1e-2);
    EXPECT_NEAR(found[i].box.y2, mirrored[i].box.y2, 1e-2);
  }
}

// What views show is suppressed once: a single one gives what there is without views, and scores that
// overlaps lower, or boxes that votes move, are not lowered and moved again.
TEST(DetectorViews, OneViewIsTheImageWhateverTheSuppression) {
  const auto image = patches(120, 180, 1);
  for (const auto* const keys : {R"({"nms": "hard"})", R"({"nms": "soft_linear", "nms_threshold": 0.1})",
                                 R"({"nms": "soft_gaussian"})", R"({"box_voting": {}})"}) {
    auto json = nlohmann::json::parse(kTinyModel);
    json["roi"].update(nlohmann::json::parse(keys));
    auto lively = lively_model();
    const auto model =
        nn::make_detection_model(config::Config::parse(json.dump(), "here").root(), kLivelyClasses);
    nn::load_initial(*model, nn::state_of(*lively.model), "here");
    lively.model = model;
    const auto plain = TensorDetector(lively, at::kCPU).detect(image);
    const auto view = TensorDetector(lively, at::kCPU, {.min_sizes = {60}}).detect(image);
    EXPECT_GT(plain.boxes.size(0), 2) << keys;
    EXPECT_TRUE(test::close(view.boxes, plain.boxes, 1e-3)) << keys;
    EXPECT_TRUE(test::close(view.scores, plain.scores, 1e-6)) << keys;
    EXPECT_TRUE(test::identical(view.labels, plain.labels)) << keys;
  }
}

TEST(Views, OneThatIsTooLargeIsRefusedWithItsSizeAndTheBound) {
  const ImageSize image{150, 200};
  const auto views = views_of(image, {.min_sizes = {100, 16384}}, 100, 200);
  EXPECT_THAT(
      message_of<DataError>([&] { check_views(image, views, 100); }),
      AllOf(HasSubstr("200 x 150 pixels"), HasSubstr("21845 x 16384"), HasSubstr("more than 100 megapixels"),
            HasSubstr("--scales"), HasSubstr("--max-megapixels")));
  EXPECT_NO_THROW(check_views(image, views, 400));
  EXPECT_NO_THROW(check_views(image, std::span(views).first(1), 1));
}

TEST(Views, ADetectorRefusesThemBeforeItTakesMemory) {
  const auto model = lively_model();
  const TensorDetector detector(model, at::kCPU, {.min_sizes = {16384}});
  const auto image = patches(150, 200, 1);
  const double before = test::resident_bytes();
  EXPECT_THAT(message_of<DataError>([&] { detector.detect(image); }), HasSubstr("more than 100 megapixels"));
  EXPECT_LT(test::resident_bytes() - before, 50e6);
}

TEST(Views, TheBoundOfImagesIsTheConfigsOrTheOptions) {
  const auto model = lively_model();
  const auto bound = [&](const ViewOptions& views) {
    return TensorDetector(model, at::kCPU, views).max_megapixels();
  };
  EXPECT_EQ(bound({}), 100);
  EXPECT_EQ(bound({.tile = 64}), 1000);
  EXPECT_EQ(TensorDetector(lively_model(), {.device = "cpu", .max_megapixels = 7}).max_megapixels(), 7);
  auto other = lively_model();
  other.config = config::Config::parse(R"({"data": {"max_megapixels": 250}})", "here");
  EXPECT_EQ(TensorDetector(other, at::kCPU).max_megapixels(), 250);
}

TEST(Views, ProposalsAreThoseOfTheirPart) {
  const auto boxes = torch::tensor({{10.f, 20.f, 40.f, 60.f}, {90.f, 20.f, 130.f, 60.f}});
  const View whole{.part = {100, 200}, .network = {100, 200}};
  View tile{.x = 100, .y = 0, .part = {100, 100}, .network = {200, 200}};
  auto flipped = tile;
  flipped.flipped = true;
  const auto found = proposals_of(boxes, std::vector{whole, tile, flipped}, {100, 200});
  EXPECT_TRUE(at::equal(found[0], boxes));
  EXPECT_TRUE(
      at::equal(found[1], torch::tensor({{0.f, 40.f, 60.f, 120.f}})));  // clipped, then twice as large
  EXPECT_TRUE(at::equal(found[2], torch::tensor({{140.f, 40.f, 200.f, 120.f}})));
}

TEST(Views, ProposalsBeyondTheImageAreClippedAndStay) {
  const View whole{.part = {100, 200}, .network = {50, 100}};
  const auto found = proposals_of(torch::tensor({{-10.f, 0.f, 20.f, 140.f}, {300.f, 0.f, 310.f, 10.f}}),
                                  std::vector{whole}, {100, 200});
  EXPECT_TRUE(at::equal(found[0], torch::tensor({{0.f, 0.f, 10.f, 50.f}, {100.f, 0.f, 100.f, 5.f}})));
  EXPECT_EQ(proposals_of(torch::zeros({0, 4}), std::vector{whole}, {100, 200})[0].sizes(),
            (std::vector<int64_t>{0, 4}));
}

TEST(Views, OfSeveralScalesAProposalGoesToTheOneWhereItIsNearestTo224) {
  const ImageSize image{400, 400};
  const auto views = views_of(image, {.flip = true, .min_sizes = {200, 800}}, 400, 400);
  // A side of 112 is 56 or 224, one of 320 is 160 or 640.
  const auto boxes = torch::tensor({{0.f, 0.f, 112.f, 112.f}, {0.f, 0.f, 320.f, 320.f}});
  const auto found = proposals_of(boxes, views, image);
  ASSERT_THAT(found, SizeIs(4));
  EXPECT_TRUE(at::equal(found[0], torch::tensor({{0.f, 0.f, 160.f, 160.f}})));
  EXPECT_TRUE(at::equal(found[1], torch::tensor({{40.f, 0.f, 200.f, 160.f}})));
  EXPECT_TRUE(at::equal(found[2], torch::tensor({{0.f, 0.f, 224.f, 224.f}})));
  EXPECT_TRUE(at::equal(found[3], torch::tensor({{576.f, 0.f, 800.f, 224.f}})));
}

/// Finds what it is given.
class Echo : public nn::DetectionModelImpl {
 public:
  std::vector<nn::Loss> losses(const ImageBatch&, const std::vector<Target>&) override { return {}; }
  std::vector<Detections> detect(const ImageBatch& batch) override {
    std::vector<Detections> found;
    for (const auto& boxes : batch.proposals) {
      found.push_back({boxes, at::full({boxes.size(0)}, 0.5), at::ones({boxes.size(0)}, at::kLong)});
    }
    return found;
  }
  bool needs_proposals() const override { return true; }
  const nn::PixelOptions& pixels() const override { return pixels_; }
  const nn::SuppressionOptions& suppression() const override { return suppression_; }

 private:
  nn::PixelOptions pixels_;
  nn::SuppressionOptions suppression_;
};

TEST(Views, ProposalsComeBackToWhereTheyWere) {
  const nn::DescribedModel model{
      std::make_shared<Echo>(),
      {{.id = 1, .name = "red"}},
      config::Config::parse(R"({"data": {"min_size": 100, "max_size": 200}})", "here")};
  const std::vector<at::Tensor> images = {dark(90, 130), dark(60, 60)};
  const std::vector<at::Tensor> proposals = {
      torch::tensor({{3.f, 5.f, 30.f, 40.f}, {60.f, 10.f, 129.f, 80.f}, {40.f, 41.f, 52.f, 55.f}}),
      torch::tensor({{10.f, 12.f, 40.f, 44.f}})};
  for (const auto& options : {ViewOptions{}, ViewOptions{.flip = true}, ViewOptions{.min_sizes = {60, 300}},
                              ViewOptions{.flip = true, .min_sizes = {60, 300}, .tile = 64}}) {
    const auto found = TensorDetector(model, at::kCPU, options).detect(images, proposals);
    ASSERT_THAT(found, SizeIs(2));
    for (size_t i = 0; i < 2; ++i) {
      // Each is among them; of a tile that cuts one there may be a part besides.
      for (int64_t p = 0; p < proposals[i].size(0); ++p) {
        const auto off = (found[i].boxes - proposals[i][p]).abs().amax(1);
        EXPECT_LT(off.min().item<double>(), 1e-3) << i << " " << p;
      }
      if (options.tile > 0) continue;
      EXPECT_EQ(found[i].boxes.size(0), proposals[i].size(0));
    }
  }
}

}  // namespace
}  // namespace rcnn
