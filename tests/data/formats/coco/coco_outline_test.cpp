#include "data/formats/coco/coco_outline.h"

#include <gtest/gtest.h>

#include "tests/support/goldens.h"

namespace rcnn::data {
namespace {

using OutlineBox = std::optional<std::array<double, 4>>;

OutlineBox box_of(const std::string& outline) {
  const simdjson::padded_string text(R"({"segmentation": )" + outline + "}");
  simdjson::ondemand::parser parser;
  auto document = parser.iterate(text);
  return box_of_outline(document["segmentation"].value());
}

TEST(CocoOutline, RunLengthsHavePycocotoolsBoxes) {
  const auto cases = test::golden("coco_outlines.json").at("cases");
  ASSERT_GT(cases.size(), 50u);
  for (const auto& entry : cases) {
    auto expected = OutlineBox(entry.at("box").get<std::array<double, 4>>());
    if ((*expected)[2] == 0) expected.reset();  // there is no pixel
    for (const char* counts : {"counts", "compressed"}) {
      const nlohmann::json outline = {{"size", entry.at("size")}, {"counts", entry.at(counts)}};
      EXPECT_EQ(box_of(outline.dump()), expected) << outline;
    }
  }
}

TEST(CocoOutline, RunsOfNoPixelMoveNothing) {
  // pycocotools takes the empty run for a pixel at -1.
  EXPECT_EQ(box_of(R"({"size": [4, 5], "counts": [0, 0, 5, 2, 13]})"), OutlineBox({1, 1, 1, 2}));
  EXPECT_EQ(box_of(R"({"counts": [4, 16], "size": [4, 5]})"), OutlineBox({1, 0, 4, 4}));
}

TEST(CocoOutline, PolygonsHaveTheBoxOfTheirPoints) {
  EXPECT_EQ(box_of("[[20, 30, 100.5, 30, 100.5, 110.25]]"), OutlineBox({20, 30, 80.5, 80.25}));
  EXPECT_EQ(box_of("[[1, 2, 3, 4], [0.1, 5, 0.3, 6]]"), OutlineBox({0.1, 2, 2.9, 4}));
  EXPECT_EQ(box_of("[1, 2, 3, 4]"), OutlineBox({1, 2, 2, 2}));
  EXPECT_EQ(box_of("[[[1, 2], [3, 4]]]"), OutlineBox({1, 2, 2, 2}));
}

TEST(CocoOutline, WhatIsNoneHasNoBox) {
  for (const char* outline : {"[]",
                              "[[]]",
                              "{}",
                              "7",
                              "null",
                              "\"\"",
                              "[[1, 2, 3]]",
                              "[[1, \"2\"]]",
                              "[[1, null]]",
                              "[{}]",
                              R"({"size": [4, 5]})",
                              R"({"counts": [1, 2]})",
                              R"({"size": [4], "counts": [1, 2]})",
                              R"({"size": [4, 5], "counts": [1, 20]})",
                              R"({"size": [4, 5], "counts": [1, -2, 8]})",
                              R"({"size": [-4, -5], "counts": [1, 2]})",
                              R"({"size": [4, 5], "counts": [1, 2.5]})",
                              R"({"size": [4, 5], "counts": "ooooooooooooooooooo"})",
                              R"({"size": [4, 5], "counts": "o"})",
                              R"({"size": [4, 5], "counts": " "})",
                              R"({"size": [9223372036854775807, 2], "counts": [1, 2]})",
                              "[[1e308, 0, -1e308, 1]]"}) {
    EXPECT_EQ(box_of(outline), std::nullopt) << outline;
  }
}

}  // namespace
}  // namespace rcnn::data
