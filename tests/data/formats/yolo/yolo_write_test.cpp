#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <random>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/error.h>

#include "tests/data/formats/yolo/yolo_fixture.h"
#include "tests/support/message_of.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class YoloWriteTest : public YoloFormatTest {
 protected:
  /// A part of images of 200 x 150 below "from".
  AnnotatedPart part(const std::string& name, const std::vector<std::string>& files) {
    AnnotatedPart result{.name = name, .images = place("from")};
    result.content.categories = {{1, "cat"}, {2, "dog"}};
    for (const auto& file : files) {
      picture("from/" + file);
      const auto stem = (fs::path(file).parent_path() / fs::path(file).stem()).string();
      result.content.images.push_back(
          {.id = std::ssize(result.content.images) + 1, .file_name = file, .size = {150, 200}, .name = stem});
    }
    return result;
  }

  static void add(AnnotatedPart& part, int64_t image, int64_t category, std::array<double, 4> box,
                  CocoDetails details = {}) {
    auto& content = part.content;
    content.annotations.push_back({.id = std::ssize(content.annotations) + 1,
                                   .image_id = image,
                                   .category_id = category,
                                   .box = box,
                                   .area = box[2] * box[3]});
    content.details.push_back(std::move(details));
  }

  void write(const std::vector<AnnotatedPart>& parts, ImageFiles how = ImageFiles::link) {
    problems_ = {};
    fs::remove_all(place("to"));
    convert(parts, "yolo", place("to"), how, problems_);
  }

  std::string refusal(const std::vector<AnnotatedPart>& parts) {
    const auto message = message_of<DataError>([&] { write(parts); });
    EXPECT_FALSE(fs::exists(place("to")));
    return message;
  }
};

TEST_F(YoloWriteTest, TheLayoutIsUltralytics) {
  auto train = part("train", {"img1.png", "day/img2.png"});
  auto valid = part("valid", {"img3.png"});
  add(train, 1, 2, {20, 30, 80, 80});
  add(train, 2, 1, {60, 20, 120, 120});
  for (const auto how : {ImageFiles::link, ImageFiles::copy}) {
    write({train, valid}, how);
    EXPECT_EQ(file_bytes(place("to/labels/train/img1.txt")), "1 0.3 0.466666666667 0.4 0.533333333333\n");
    EXPECT_EQ(file_bytes(place("to/labels/train/day/img2.txt")), "0 0.6 0.533333333333 0.6 0.8\n");
    EXPECT_EQ(file_bytes(place("to/labels/valid/img3.txt")), "");
    EXPECT_EQ(fs::is_symlink(place("to/images/train/img1.png")), how == ImageFiles::link);
    EXPECT_EQ(file_bytes(place("to/images/train/img1.png")), file_bytes(place("from/img1.png")));
    EXPECT_EQ(file_bytes(place("to/classes.txt")), "cat\ndog\n");
    EXPECT_EQ(file_bytes(place("to/data.yaml")),
              "train: \"images/train\"\nval: \"images/valid\"\nnc: 2\nnames:\n  0: \"cat\"\n  1: \"dog\"\n");
    EXPECT_THAT(warnings(), HasSubstr("valid: val"));
  }
}

TEST_F(YoloWriteTest, OutlinesAreWrittenWhereEveryObjectHasOne) {
  auto train = part("train", {"img1.png"});
  add(train, 1, 2, {20, 30, 80, 80}, {.segmentation = "[[20, 30, 100, 30, 60, 110]]"});
  write({train});
  EXPECT_EQ(file_bytes(place("to/labels/train/img1.txt")), "1 0.1 0.2 0.5 0.2 0.3 0.733333333333\n");
  EXPECT_THAT(file_bytes(place("to/data.yaml")), HasSubstr("yolo_lines: outline\n"));
  EXPECT_THAT(warnings(), HasSubstr("lines are outlines"));
  EXPECT_EQ(read("train", "to").content.details.at(0).segmentation, "[[20, 30, 100, 30, 60, 110]]");
  for (const char* other :
       {"[[20, 30, 100, 30, 60, 110], [1, 1, 2, 1, 2, 2]]", "{\"size\": [150, 200], \"counts\": \"abc\"}", "",
        "[[20, 30, 100, 30, 60, 90]]"}) {
    auto two = train;
    add(two, 1, 1, {20, 30, 80, 80}, {.segmentation = other});
    write({two});
    EXPECT_THAT(file_bytes(place("to/labels/train/img1.txt")),
                HasSubstr("1 0.3 0.466666666667 0.4 0.533333333333\n0 0.3"))
        << other;
    EXPECT_THAT(warnings(), HasSubstr("left out: outlines")) << other;
  }
}

TEST_F(YoloWriteTest, WhatIsThereIsNotCalledLost) {
  auto train = part("train", {"img1.png"});
  add(train, 1, 0, {20, 30, 80, 80}, {.segmentation = "[]"});
  add(train, 1, 1, {20, 30, 80.3, 80}, {});
  train.content.annotations.back().area += 1e-5;
  train.content.categories = {{0, "cat"}, {1, "dog"}};
  write({train});
  EXPECT_THAT(warnings(),
              AllOf(Not(HasSubstr("outlines")), Not(HasSubstr("numbered")), Not(HasSubstr("area"))));
  train.content.annotations.back().area = 123.5;
  write({train});
  EXPECT_THAT(warnings(), HasSubstr("left out: an area that is not the box's: annotation 2"));
}

TEST_F(YoloWriteTest, WhatYoloCannotHoldIsSaid) {
  auto train = part("train", {"img1.png"});
  add(train, 1, 2, {20, 30, 80, 80},
      {.attributes = {{"color", "\"red\""}}, .others = {{"keypoints", "[1, 2, 2]"}}});
  add(train, 1, 2, {0, 0, 10, 10});
  train.content.annotations.back().crowd = true;
  add(train, 1, 1, {-10, 0, 60, 160});
  add(train, 1, 1, {300, 0, 60, 160});
  train.content.categories = {{7, "cat"}, {2, "dog"}};
  for (auto& annotation : train.content.annotations)
    annotation.category_id = annotation.category_id == 1 ? 7 : 2;
  train.content.image_fields = {{{"license", "1"}}};
  train.content.category_fields = {{{"supercategory", "\"pet\""}}, {}};
  train.content.fields = {{"info", "{}"}};
  train.numbers_images = train.numbers_objects = true;
  write({train});
  EXPECT_EQ(errors(), "");
  EXPECT_EQ(file_bytes(place("to/labels/train/img1.txt")),
            "1 0.3 0.466666666667 0.4 0.533333333333\n0 0.125 0.5 0.25 1\n");
  for (const char* said :
       {"attributes of objects: annotation 1", "\"keypoints\" of objects",
        "crowds or difficult, which YOLO cannot mark: annotation 2", "clipped to their images: annotation 3",
        "outside of their images: annotation 4", "numbered anew, from 0: 7 cat becomes 0",
        "\"license\" of images", "\"supercategory\" of classes: cat", "\"info\" of the data set",
        "ids of images", "ids of objects", "data.yaml lacks a part", "val"})
    EXPECT_THAT(warnings(), HasSubstr(said));
}

TEST_F(YoloWriteTest, WhatWouldBeWrongIsFoundBeforeAnythingIsWritten) {
  EXPECT_THAT(refusal({part("train", {"a.png", "a.jpg"})}),
              AllOf(HasSubstr("a.png and a.jpg"), HasSubstr("same labels")));
  EXPECT_THAT(refusal({part("train", {"a\nb.png"})}), HasSubstr("line break"));
  auto lost = part("train", {"a.png"});
  fs::remove(place("from/a.png"));
  EXPECT_THAT(refusal({lost}), AllOf(HasSubstr("cannot be read"), HasSubstr("a.png")));
  auto same = part("train", {"a.png"});
  same.content.categories = {{1, "cat"}, {2, "cat"}};
  EXPECT_THAT(refusal({same}), HasSubstr("same name"));
  EXPECT_THAT(refusal({part("classes", {"a.png"})}), HasSubstr("classes"));
}

TEST_F(YoloWriteTest, PartsOfAnyNameComeBack) {
  auto all = part("all", {"img1.png", "day/img2.png"});
  auto other = part("day 1", {"x/img3.png"});
  for (auto* each : {&all, &other}) add(*each, 1, 1, {1, 2, 3, 4});
  write({all});
  EXPECT_THAT(parts("to"), ElementsAre("all"));
  EXPECT_EQ(read("all", "to").content.images.at(0).file_name, "img1.png");
  write({all, other});
  EXPECT_THAT(parts("to"), ElementsAre("all", "day 1"));
  EXPECT_EQ(read("day 1", "to").content.images.at(0).file_name, "x/img3.png");
  EXPECT_EQ(warnings() + errors(), "");
}

TEST_F(YoloWriteTest, RandomBoxesComeBackToTheMicropixel) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const auto below = [&](int64_t most) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(most));
  };
  const std::vector<std::string> hostile = {
      "a'b\"c: {d} #e",  "- f", "null", "3", " g ", "\xe7\x8a\xac\xf0\x9f\x90\x95", "h\\i\t", "%j",
      "K\xc3\xbche\x7f", "*k",  "l\nm"};
  for (int round = 0; round < 4; ++round) {
    std::vector<AnnotatedPart> sets;
    std::vector<Category> categories;
    for (size_t i = 0; i < hostile.size(); ++i)
      categories.push_back({static_cast<int64_t>(i) + 1, hostile[i]});
    const bool outlines = round % 2 == 1;
    for (const char* name : {"train", "val", "test"}) {
      AnnotatedPart set{.name = name, .images = place("from")};
      set.content.categories = categories;
      for (int64_t i = 0; i < 3; ++i) {
        const int64_t width = 1 + below(4000), height = 1 + below(300);
        const auto file = fmt::format("{}/\xc3\xbc {} {}.png", i % 2 == 0 ? "images" : "a b", name, i);
        picture("from/" + file, width, height);
        set.content.images.push_back({.id = i + 1,
                                      .file_name = file,
                                      .size = {height, width},
                                      .name = file.substr(0, file.size() - 4)});
        for (int64_t n = below(6); n > 0; --n) {
          const auto micro = [&](int64_t side) {
            return static_cast<double>(below(side * 1'000'000 + 1)) / 1e6;
          };
          const double x1 = micro(width), x2 = micro(width), y1 = micro(height), y2 = micro(height);
          if (x1 == x2 || y1 == y2) continue;
          const double x = std::min(x1, x2), y = std::min(y1, y2), w = std::max(x1, x2) - x,
                       h = std::max(y1, y2) - y;
          const auto at = [](double v) { return std::round(v * 1e6) / 1e6; };
          CocoDetails details;
          if (outlines)
            details.segmentation =
                fmt::format("[[{}, {}, {}, {}, {}, {}]]", x, y, at(x + w), y, x, at(y + h));
          add(set, i + 1, 1 + below(std::ssize(categories)), {x, y, at(w), at(h)}, details);
        }
      }
      sets.push_back(std::move(set));
    }
    add(sets[0], 1, 1, {0, 0, 1, 1},
        outlines ? CocoDetails{.segmentation = "[[0, 0, 1, 0, 1, 1]]"} : CocoDetails{});
    write(sets, ImageFiles::copy);
    for (size_t i = 0; i < sets.size(); ++i) {
      const auto back = read(sets[i].name, "to");
      EXPECT_EQ(errors() + warnings(), "");
      EXPECT_EQ(back.content.categories, categories);
      ASSERT_EQ(back.content.annotations.size(), sets[i].content.annotations.size());
      const auto boxes_of = [](const AnnotatedPart& part) {
        std::map<std::string, std::vector<std::tuple<int64_t, std::array<double, 4>, std::string>>> boxes;
        for (size_t n = 0; n < part.content.annotations.size(); ++n) {
          const auto& annotation = part.content.annotations[n];
          const auto image = std::ranges::find(part.content.images, annotation.image_id, &CocoImage::id);
          auto box = annotation.box;
          for (double& value : box) value = std::round(value * 1e6);
          boxes[image->file_name].emplace_back(annotation.category_id, box,
                                               part.content.details[n].segmentation);
        }
        return boxes;
      };
      EXPECT_EQ(boxes_of(back), boxes_of(sets[i]));
    }
  }
}

}  // namespace
}  // namespace rcnn::data
