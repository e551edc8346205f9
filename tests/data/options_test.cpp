#include <cstdlib>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/config/config.h>
#include <rcnn/data/options.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

DataOptions parse(const std::string& text) {
  return DataOptions::from(config::Config::parse(text, "here").root());
}

TEST(DataOptions, EveryKeyArrives) {
  const auto options = parse(R"({"type": "voc", "root": "/sets/voc", "classes": ["dog", "cat"],
      "train": {"split": "trainval", "limit": 7, "flip": 0.25}, "test": {"split": "val", "limit": 3},
      "min_size": 600, "max_size": 1000, "max_megapixels": 250, "workers": 5, "bad_boxes": "stop", "bad_values": "stop", "bad_images": "skip",
      "other_classes": "merge:cat", "yolo_lines": "pose"})");
  EXPECT_EQ(options.root, "/sets/voc");
  EXPECT_THAT(options.classes, ElementsAre("dog", "cat"));
  EXPECT_EQ(options.train.split, "trainval");
  EXPECT_EQ(options.train.limit, 7);
  EXPECT_EQ(options.train.transform.flip, 0.25);
  EXPECT_EQ(options.test.split, "val");
  EXPECT_EQ(options.test.limit, 3);
  EXPECT_EQ(options.min_size, 600);
  EXPECT_EQ(options.max_size, 1000);
  EXPECT_EQ(options.max_megapixels, 250);
  EXPECT_EQ(options.workers, 5);
  EXPECT_EQ(options.bad_boxes, Policy::stop);
  EXPECT_EQ(options.bad_values, Policy::stop);
  EXPECT_EQ(options.bad_images, Policy::skip);
  EXPECT_EQ(options.other_classes.kind, OtherClasses::Kind::merge);
  EXPECT_EQ(options.other_classes.into, "cat");
  EXPECT_EQ(options.yolo_lines, "pose");
}

TEST(DataOptions, CocoHasFilesInsteadOfSplits) {
  const auto options = parse(R"({"type": "coco", "root": "/sets/coco",
      "train": {"annotations": "train.json", "images": "train2017", "keep_empty": false},
      "test": {"annotations": "/else/val.json", "images": "val2017", "limit": 3}})");
  EXPECT_EQ(options.train.annotations, "/sets/coco/train.json");
  EXPECT_EQ(options.train.images, "/sets/coco/train2017");
  EXPECT_FALSE(options.train.keep_empty);
  EXPECT_EQ(options.test.annotations, "/else/val.json");
  EXPECT_EQ(options.test.limit, 3);
  EXPECT_TRUE(options.test.keep_empty);
}

TEST(DataOptions, AbsentKeysKeepTheDefaults) {
  const auto options = parse("{}");
  EXPECT_EQ(options.type, "auto");
  EXPECT_EQ(options.train.split, "");
  EXPECT_THAT(options.train.usual, ElementsAre("train", "trainval"));
  EXPECT_EQ(options.train.transform.flip, 0.5);
  EXPECT_EQ(options.test.split, "");
  EXPECT_THAT(options.test.usual, ElementsAre("test", "val", "valid", "validation"));
  EXPECT_EQ(options.test.transform.flip, 0);
  EXPECT_EQ(options.min_size, 800);
  EXPECT_EQ(options.max_size, 1333);
  EXPECT_EQ(options.bad_boxes, Policy::skip);
  EXPECT_EQ(options.bad_values, Policy::skip);
  EXPECT_EQ(options.bad_images, Policy::stop);
  EXPECT_EQ(options.other_classes.kind, OtherClasses::Kind::stop);
}

TEST(DataOptions, OnlyTrainingFlips) {
  const auto options = parse(R"({"min_size": 64, "max_size": 96, "train": {"flip": 0.5}})");
  EXPECT_EQ(options.train_transform().flip, 0.5);
  EXPECT_EQ(options.test_transform().flip, 0);
  for (const auto& transform : {options.train_transform(), options.test_transform()}) {
    EXPECT_EQ(transform.min_size, 64);
    EXPECT_EQ(transform.max_size, 96);
  }
}

TEST(DataOptions, TransformsOfTraining) {
  const auto options = parse(R"({"min_size": 60, "max_size": 90, "train": {"min_sizes": [40, 80],
      "color_jitter": {"brightness": 0.4, "contrast": 0.3, "saturation": 0.2, "hue": 0.1}, "group_by_aspect": false}})");
  const auto train = options.train_transform();
  EXPECT_EQ(train.min_size, 60);
  EXPECT_THAT(train.min_sizes, ElementsAre(40, 80));
  EXPECT_EQ(train.color_jitter,
            (ColorJitterOptions{.brightness = 0.4, .contrast = 0.3, .saturation = 0.2, .hue = 0.1}));
  EXPECT_FALSE(train.scale_jitter);
  EXPECT_FALSE(options.train_loader().group_by_aspect);
  EXPECT_TRUE(options.test_transform().min_sizes.empty());
  EXPECT_EQ(options.test_transform().color_jitter, ColorJitterOptions());

  const auto jitter = *parse(R"({"train": {"scale_jitter": {"min": 0.5, "max": 1.5, "size": [320, 640]}}})")
                           .train_transform()
                           .scale_jitter;
  EXPECT_EQ(jitter.min, 0.5);
  EXPECT_EQ(jitter.max, 1.5);
  EXPECT_EQ(jitter.size, (ImageSize{320, 640}));
  const auto defaults = parse(R"({"train": {"scale_jitter": {}}})").train_transform().scale_jitter;
  EXPECT_EQ(defaults->size, (ImageSize{1024, 1024}));
  EXPECT_EQ(parse(R"({"train": {"scale_jitter": {"size": [64]}}})").train.transform.scale_jitter->size,
            (ImageSize{64, 64}));
  EXPECT_TRUE(parse("{}").train_loader().group_by_aspect);
  EXPECT_EQ(parse(R"({"bad_images": "skip"})").train_loader().bad_images, Policy::skip);
}

TEST(DataOptions, ContradictionsAreNamed) {
  const auto message = [](const std::string& text) { return message_of<ConfigError>([&] { parse(text); }); };
  EXPECT_THAT(message(R"({"train": {"min_sizes": [64], "scale_jitter": {}}})"),
              HasSubstr("train.scale_jitter: contradicts min_sizes"));
  EXPECT_THAT(message(R"({"max_size": 900, "train": {"min_sizes": [640, 1000]}})"),
              HasSubstr("max_size: must not be below any of train.min_sizes"));
  EXPECT_THAT(message(R"({"train": {"min_sizes": [1]}})"), HasSubstr("train.min_sizes"));
  EXPECT_THAT(message(R"({"train": {"scale_jitter": {"min": 2, "max": 1}}})"),
              HasSubstr("train.scale_jitter.max: must not be below min"));
  EXPECT_THAT(message(R"({"train": {"scale_jitter": {"size": [64, 64, 64]}}})"),
              HasSubstr("train.scale_jitter.size: must be [height, width]"));
  EXPECT_THAT(message(R"({"train": {"scale_jitter": {"min": 0}}})"), HasSubstr("train.scale_jitter.min"));
  EXPECT_THAT(message(R"({"train": {"color_jitter": {"hue": 0.6}}})"), HasSubstr("train.color_jitter.hue"));
  EXPECT_THAT(message(R"({"train": {"color_jitter": {"contrast": -1}}})"),
              HasSubstr("color_jitter.contrast"));
  EXPECT_THAT(message(R"({"test": {"color_jitter": {}}})"), HasSubstr("test.color_jitter: unknown key"));
}

TEST(DataOptions, ARelativeRootLiesUnderTheDataFolder) {
  const char* set = std::getenv("RCNN_DATA");
  const std::string before = set ? set : "";
  setenv("RCNN_DATA", "/sets", 1);
  const auto options = parse(R"({"root": "VOC2007"})");
  before.empty() ? unsetenv("RCNN_DATA") : setenv("RCNN_DATA", before.c_str(), 1);
  EXPECT_EQ(options.root, "/sets/VOC2007");
}

TEST(DataOptions, WrongValuesAreNamed) {
  const auto message = [](const std::string& text) { return message_of<ConfigError>([&] { parse(text); }); };
  EXPECT_THAT(message(R"({"type": "kitti"})"), AllOf(HasSubstr("type"), HasSubstr("voc"), HasSubstr("coco")));
  EXPECT_THAT(message(R"({"type": "voc", "train": {"annotations": "a.json"}})"),
              HasSubstr("train.annotations: unknown key"));
  EXPECT_THAT(message(R"({"train": {"annotations": "a.json", "split": "train"}})"),
              HasSubstr("train.split: contradicts annotations"));
  EXPECT_THAT(message(R"({"train": {"images": "a"}})"), HasSubstr("train.images: says where the images"));
  EXPECT_THAT(message(R"({"other_classes": "drop"})"),
              HasSubstr("must be stop, ignore or merge:NAME, not drop"));
  EXPECT_THAT(message(R"({"classes": ["cat"], "other_classes": "merge:dog"})"),
              HasSubstr("other_classes: dog is none of `classes`"));
  EXPECT_THAT(message(R"({"yolo_lines": "boxes"})"), HasSubstr("yolo_lines"));
  EXPECT_THAT(message(R"({"min_size": 600, "max_size": 500})"), HasSubstr("max_size"));
  EXPECT_THAT(message(R"({"min_size": 1})"), HasSubstr("min_size"));
  EXPECT_THAT(message(R"({"train": {"flip": 1.5}})"), HasSubstr("train.flip"));
  EXPECT_THAT(message(R"({"train": {"limit": -1}})"), HasSubstr("train.limit"));
  EXPECT_THAT(message(R"({"test": {"flip": 0.5}})"), HasSubstr("test.flip: unknown key"));
  EXPECT_THAT(message(R"({"workers": -1})"), HasSubstr("workers"));
  EXPECT_THAT(message(R"({"bad_images": "ignore"})"),
              AllOf(HasSubstr("bad_images"), HasSubstr("skip, stop")));
  EXPECT_THAT(message(R"({"classes": "dog"})"), HasSubstr("classes"));
  EXPECT_THAT(message(R"({"rooot": "x"})"), HasSubstr("did you mean root?"));
}

TEST(Open, ReadsThePartThatIsAskedFor) {
  const TempFolder folder;
  tools::draw_scenes(folder.path() / "scenes", {.train = 4, .test = 2, .size = {64, 96}});
  DataOptions options;
  options.root = folder.path() / "scenes";
  EXPECT_EQ(open(options, options.train)->size(), 4);
  EXPECT_EQ(open(options, options.test)->record(0).id, "scene_00005");
  options.train.limit = 3;
  EXPECT_EQ(open(options, options.train)->size(), 3);
}

TEST(Open, HeedsClassesAndPolicies) {
  const TempFolder folder;
  tools::draw_scenes(folder.path() / "scenes", {.train = 4, .test = 1, .size = {64, 96}});
  DataOptions options;
  options.root = folder.path() / "scenes";
  options.classes = {"triangle", "star", "square", "cross", "circle", "hexagon"};
  EXPECT_EQ(open(options, options.train)->categories().front().name, "triangle");
  EXPECT_EQ(open(options, options.train)->categories().size(), 6u);

  std::filesystem::remove(options.root / "JPEGImages" / "scene_00002.jpg");
  EXPECT_THAT(message_of<DataError>([&] { open(options, options.train); }), HasSubstr("scene_00002"));
  options.bad_images = Policy::skip;
  EXPECT_EQ(open(options, options.train)->size(), 3);

  folder.write("scenes/Annotations/scene_00001.xml",
               "<annotation><object><name>star</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>7</xmax>"
               "<ymax>9</ymax></bndbox></object></annotation>");
  EXPECT_TRUE(open(options, options.train)->record(0).objects.empty());
  options.bad_boxes = Policy::stop;
  EXPECT_THAT(message_of<DataError>([&] { open(options, options.train); }), HasSubstr("scene_00001"));
}

}  // namespace
}  // namespace rcnn::data
