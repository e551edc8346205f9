#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <rcnn/vis/draw.h>

namespace rcnn::vis {
namespace {

const std::vector<Category> kPets{{1, "cat"}, {2, "dog"}, {3, "guinea pig"}};

at::Tensor plain(int64_t height, int64_t width, int value) {
  return at::full({height, width, 3}, value, at::kByte);
}

at::Tensor draw_one(const at::Tensor& image, const Box& box, int64_t label = 1,
                    const std::vector<Category>& categories = kPets) {
  return draw_detections(image, std::vector<Detection>{{box, .93F, label}}, categories);
}

/// What is drawn over a height x width image whatever is beneath it: bool [H, W].
at::Tensor drawn(int64_t height, int64_t width, const Box& box, int64_t label = 1) {
  return (draw_one(plain(height, width, 0), box, label) == draw_one(plain(height, width, 255), box, label))
      .all(2);
}

/// The colour of the box's line, in the middle of its lower edge: uint8 [3].
at::Tensor line_colour(int64_t label, const std::vector<Category>& categories) {
  return draw_one(plain(200, 300, 90), {50, 60, 250, 180}, label, categories)[179][150];
}

TEST(Draw, LeavesTheImageAsItWas) {
  const at::Tensor image = at::arange(100 * 120 * 3).to(at::kByte).view({100, 120, 3});
  const at::Tensor before = image.clone();
  const at::Tensor result = draw_one(image, {20, 40, 90, 80});
  EXPECT_TRUE(image.equal(before));
  EXPECT_FALSE(result.equal(before));
  EXPECT_TRUE(draw_detections(image, {}, kPets).equal(before));
}

TEST(Draw, TakesAViewOfALargerImage) {
  const at::Tensor image = at::arange(200 * 240 * 3).to(at::kByte).view({200, 240, 3});
  const at::Tensor view = image.slice(0, 10, 110).slice(1, 20, 140);
  EXPECT_TRUE(draw_one(view, {20, 40, 90, 80}).equal(draw_one(view.contiguous(), {20, 40, 90, 80})));
}

TEST(Draw, LinesLieOnTheFirstAndLastPixelOfTheBox) {
  const at::Tensor mask = drawn(200, 300, {50, 60, 250, 180});
  for (const auto& [y, x] : {std::pair{179, 150}, {120, 50}, {120, 249}}) {
    EXPECT_TRUE(mask[y][x].item<bool>()) << y << ", " << x;
  }
  for (const auto& [y, x] : {std::pair{120, 150}, {120, 49}, {120, 250}, {180, 150}}) {
    EXPECT_FALSE(mask[y][x].item<bool>()) << y << ", " << x;
  }
}

TEST(Draw, EveryClassHasAColourOfItsOwn) {
  const std::vector<Category> many(80, {0, "thing"});
  std::vector<at::Tensor> colours;
  for (int64_t label = 1; label <= 80; ++label) {
    colours.push_back(line_colour(label, many));
    for (int64_t other = 1; other < label; ++other) {
      EXPECT_FALSE(colours[other - 1].equal(colours.back())) << other << " and " << label;
    }
  }
  EXPECT_TRUE(line_colour(3, kPets).equal(colours[2]));
}

TEST(Draw, LabelsAreOpaqueAndOfHighContrast) {
  const std::vector<Category> many(80, {0, "thing"});
  for (int64_t label = 1; label <= 80; ++label) {
    // Above the box: nothing but the label is drawn in rows 30 to 59.
    const auto strip = [&](int background) {
      return draw_one(plain(200, 300, background), {50, 60, 250, 180}, label, many).slice(0, 40, 59);
    };
    const at::Tensor opaque = strip(0).eq(strip(255)).all(2);
    EXPECT_GT(opaque.sum().item<int64_t>(), 10 * 50);
    const at::Tensor weights = at::tensor({.299F, .587F, .114F});
    const at::Tensor luminance = strip(0).to(at::kFloat).matmul(weights).masked_select(opaque);
    EXPECT_GT((luminance.max() - luminance.min()).item<float>(), 110) << "label " << label;
  }
}

TEST(Draw, LabelsStayWholeAtEveryBorder) {
  // The text, its soft edges included, is what has neither the background's colour nor the class's.
  const at::Tensor colour = line_colour(3, kPets);
  const auto text_pixels = [&](const Box& box) {
    const at::Tensor image = draw_one(plain(300, 400, 90), box, 3);
    return (image.ne(90).any(2) & image.ne(colour).any(2)).sum().item<int64_t>();
  };
  const int64_t whole = text_pixels({100, 100, 300, 200});
  EXPECT_GT(whole, 100);
  EXPECT_EQ(text_pixels({0, 0, 200, 100}), whole);
  EXPECT_EQ(text_pixels({390, 100, 400, 200}), whole);
  EXPECT_EQ(text_pixels({100, 295, 200, 300}), whole);
  EXPECT_EQ(text_pixels({-50, -50, 450, 350}), whole);
  EXPECT_EQ(text_pixels({1000, 1000, 1200, 1200}), whole);
}

TEST(Draw, LabelsKeepOffEachOther) {
  // Two boxes whose labels would lie on each other above them: the second one's goes elsewhere, whole.
  const at::Tensor image = plain(300, 400, 90);
  const Box box{100, 100, 300, 200}, beside{104, 102, 296, 196};
  const auto label_pixels = [&](const std::vector<Detection>& detections, int64_t label) {
    const at::Tensor drawn = draw_detections(image, detections, kPets);
    return drawn.eq(line_colour(label, kPets)).all(2).sum().item<int64_t>();
  };
  const int64_t alone = label_pixels({{beside, .8F, 2}}, 2);
  const int64_t with_better = label_pixels({{box, .9F, 1}, {beside, .8F, 2}}, 2);
  EXPECT_NEAR(static_cast<double>(with_better), static_cast<double>(alone), .1 * static_cast<double>(alone));
}

TEST(Draw, AnEdgeOutsideTheImageShowsAtItsBorder) {
  const at::Tensor mask = drawn(100, 100, {-1e30F, 50, 1e30F, 90});
  EXPECT_TRUE(mask[70][0].item<bool>());
  EXPECT_TRUE(mask[70][99].item<bool>());
}

TEST(Draw, SizesFollowTheImage) {
  const auto drawn_share = [](int64_t height, int64_t width) {
    const Box box{.2F * width, .4F * height, .8F * width, .9F * height};
    return drawn(height, width, box).to(at::kDouble).mean().item<double>();
  };
  const double reference = drawn_share(800, 1200);
  EXPECT_NEAR(drawn_share(2400, 3600), reference, .1 * reference);  // line widths are whole pixels
}

TEST(Draw, TheFirstDetectionIsOnTop) {
  const Box box{50, 60, 250, 180};
  const at::Tensor image = plain(200, 300, 90);
  const auto both = draw_detections(image, std::vector<Detection>{{box, .9F, 1}, {box, .8F, 2}}, kPets);
  EXPECT_TRUE(both[179][150].equal(line_colour(1, kPets)));
}

TEST(Draw, AnyImageSizeAndAnyBox) {
  for (const auto& [height, width] :
       {std::pair{0, 0}, {0, 5}, {1, 1}, {1, 300}, {300, 1}, {7, 7}, {48, 64}}) {
    for (const Box& box : {Box{0, 0, 1, 1}, Box{-5, -5, 500, 500}, Box{3, 3, 3, 3}, Box{9, 9, 2, 2}}) {
      EXPECT_EQ(draw_one(plain(height, width, 9), box).sizes(), (at::IntArrayRef{height, width, 3}));
    }
  }
}

TEST(Draw, CharactersThatTheFontLacksAreQuestionMarks) {
  const at::Tensor image = plain(200, 300, 90);
  const Box box{50, 60, 250, 180};
  const auto named = [&](const std::string& name) { return draw_one(image, box, 1, {{1, name}}); };
  EXPECT_TRUE(named("Gr\xC3\xB6\xC3\x9F"
                    "e\n")
                  .equal(named("Gr??e?")));
  EXPECT_FALSE(named("a").equal(named("b")));
  EXPECT_NO_THROW(named(""));
  EXPECT_NO_THROW(named(std::string(1000, 'w')));
}

TEST(Draw, RefusesWhatItCannotDraw) {
  const at::Tensor image = plain(20, 30, 0);
  EXPECT_THROW(draw_one(image.to(at::kFloat), {}), c10::Error);
  EXPECT_THROW(draw_one(image.permute({2, 0, 1}), {}), c10::Error);
  EXPECT_THROW(draw_one(image, {}, 0), c10::Error);
  EXPECT_THROW(draw_one(image, {}, 4), c10::Error);
  EXPECT_THROW(draw_one(image, {0, 0, std::numeric_limits<float>::quiet_NaN(), 1}), c10::Error);
}

}  // namespace
}  // namespace rcnn::vis
