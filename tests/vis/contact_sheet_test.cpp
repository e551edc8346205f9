#include <limits>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <rcnn/vis/contact_sheet.h>

namespace rcnn::vis {
namespace {

const std::vector<Category> kSheetPets{{1, "cat"}, {2, "dog"}, {3, "guinea pig"}};

at::Tensor grey(int64_t height, int64_t width, int value = 90) {
  return at::full({height, width, 3}, value, at::kByte);
}

/// A page of one image, 400 x 300 so that it is not resized: its thumbnail begins at (12, 12).
at::Tensor page_of(const std::vector<SheetBox>& boxes, const std::string& name = "a.jpg") {
  ContactSheet sheet(kSheetPets);
  sheet.add(grey(300, 400), boxes, name);
  return sheet.page();
}

at::Tensor thumbnail(const at::Tensor& page) {
  return page.slice(0, 12, 312).slice(1, 12, 412);
}

int64_t drawn_pixels(const at::Tensor& picture) {
  return (picture != 90).any(2).sum().item<int64_t>();
}

TEST(ContactSheet, TilesStandInRows) {
  ContactSheet sheet(kSheetPets, {.columns = 2, .thumbnail = {.height = 60, .width = 80}});
  for (int i = 0; i < 3; ++i) sheet.add(grey(600, 800), {}, "a.jpg");
  EXPECT_EQ(sheet.size(), 3);
  const auto page = sheet.page();
  EXPECT_EQ(page.scalar_type(), at::kByte);
  EXPECT_EQ(page.size(1), 2 * (80 + 12) + 12);
  const auto at = [&](int64_t y, int64_t x) { return page[y][x][0].item<int64_t>(); };
  EXPECT_EQ(at(12 + 30, 12 + 40), 90);
  EXPECT_EQ(at(12 + 30, 12 + 80 + 12 + 40), 90);
  EXPECT_EQ(at(12 + 60 + 44 + 12 + 30, 12 + 40), 90);
  EXPECT_EQ(at(12 + 60 + 44 + 12 + 30, 12 + 80 + 12 + 40), 240) << "there is no fourth";
}

TEST(ContactSheet, PicturesKeepTheirShapeAndStandOnTheirNames) {
  ContactSheet sheet(kSheetPets, {.columns = 1, .thumbnail = {.height = 100, .width = 100}});
  sheet.add(grey(50, 200), {}, "wide.jpg");
  const auto grey = (sheet.page().slice(0, 0, 112).slice(1, 0, 112) == 90).all(2).nonzero();
  EXPECT_EQ(grey.select(1, 0).min().item<int64_t>(), 12 + 75);
  EXPECT_EQ(grey.select(1, 0).max().item<int64_t>(), 12 + 99);
  EXPECT_EQ(grey.select(1, 1).min().item<int64_t>(), 12);
  EXPECT_EQ(grey.select(1, 1).max().item<int64_t>(), 12 + 99);
}

TEST(ContactSheet, BoxesAreDrawnAtTheThumbnailsScale) {
  ContactSheet sheet(kSheetPets);
  sheet.add(grey(600, 800), std::vector<SheetBox>{{{200, 200, 600, 400}, 1}}, "a.jpg");
  const auto drawn = (thumbnail(sheet.page()) != 90).any(2);
  EXPECT_TRUE(drawn[199][200].item<bool>()) << "the lower edge";
  EXPECT_TRUE(drawn[150][100].item<bool>()) << "the left edge";
  EXPECT_TRUE(drawn[150][299].item<bool>()) << "the right edge";
  EXPECT_FALSE(drawn[150][200].item<bool>()) << "the middle";
  EXPECT_FALSE(drawn[205][200].item<bool>()) << "below";
}

TEST(ContactSheet, IgnoredBoxesHaveABrokenLine) {
  const Box box{100, 100, 300, 250};
  const auto whole = thumbnail(page_of({{box, 1, false}})), broken = thumbnail(page_of({{box, 1, true}}));
  const auto on_edge = [](const at::Tensor& picture) {
    return (picture[249].slice(0, 100, 300) != 90).any(1).sum().item<int64_t>();
  };
  EXPECT_EQ(on_edge(whole), 200);
  EXPECT_GT(on_edge(broken), 80);
  EXPECT_LT(on_edge(broken), 140);
}

TEST(ContactSheet, LabelsDoNotCoverEachOther) {
  // Equal boxes have room for three labels: on top, under the top edge, and below.
  std::vector<SheetBox> boxes(8, {{100, 100, 200, 120}, 1});
  const auto many = drawn_pixels(thumbnail(page_of(boxes)));
  boxes.resize(3);
  EXPECT_EQ(many, drawn_pixels(thumbnail(page_of(boxes))));
}

TEST(ContactSheet, TheLegendGrowsWithTheClassesShown) {
  ContactSheet narrow(kSheetPets, {.columns = 1, .thumbnail = {.height = 100, .width = 150}});
  narrow.add(grey(100, 150), {}, "a.jpg");
  const auto without = narrow.page();
  narrow.add(grey(100, 150), std::vector<SheetBox>{{{10, 10, 50, 50}, 1}, {{10, 10, 50, 50}, 2}}, "b.jpg");
  const auto with = narrow.page();
  EXPECT_GT(with.size(0), without.size(0) + 100 + 44 + 12) << "two classes need a second line";
}

TEST(ContactSheet, AnEmptyImageSaysSoInAnotherColour) {
  const auto page_red = [](const std::vector<SheetBox>& boxes) {
    const auto text = page_of(boxes).slice(0, 312, 360);
    return (text.select(2, 0) - text.select(2, 1) > 100)
        .logical_and(text.select(2, 0) > 150)
        .any()
        .item<bool>();
  };
  EXPECT_TRUE(page_red({}));
  EXPECT_FALSE(page_red({{{10, 10, 50, 50}, 3}}));
}

TEST(ContactSheet, LongNamesStayInTheirTile) {
  ContactSheet sheet(kSheetPets, {.columns = 2});
  sheet.add(grey(300, 400), {}, std::string(500, 'x') + "\xc3\xa4.jpg");
  sheet.add(grey(300, 400), {}, "");
  const auto names = sheet.page().slice(0, 312, 334);
  EXPECT_TRUE((names.slice(1, 12, 412) < 128).any().item<bool>());
  EXPECT_TRUE((names.slice(1, 416) == 240).all().item<bool>());
}

TEST(ContactSheet, WhatCannotBeDrawnIsRefused) {
  ContactSheet sheet(kSheetPets);
  EXPECT_THROW(sheet.page(), c10::Error);
  EXPECT_THROW(sheet.add(at::zeros({3, 10, 10}), {}, ""), c10::Error);
  EXPECT_THROW(sheet.add(grey(0, 10), {}, ""), c10::Error);
  EXPECT_THROW(sheet.add(grey(9, 9), std::vector<SheetBox>{{{0, 0, 5, 5}, 4}}, ""), c10::Error);
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(sheet.add(grey(9, 9), std::vector<SheetBox>{{{kNan, 0, 5, 5}, 1}}, ""), c10::Error);
  EXPECT_THROW(ContactSheet(kSheetPets, {.columns = 0}), c10::Error);
  EXPECT_EQ(sheet.size(), 0);
}

}  // namespace
}  // namespace rcnn::vis
