#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/format.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/error.h>

#include "tests/data/formats/base_set.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using base_set::entries;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

/// A region of VIA 2 (via-2.x.y/CodeDoc.md, "Description of VIA Project JSON File").
std::string via_region(const std::string& shape, const std::string& attributes) {
  return fmt::format(R"({{"shape_attributes": {{{}}}, "region_attributes": {{{}}}}})", shape, attributes);
}

std::string via_rect(const base_set::Entry& entry, const std::string& attribute = "class") {
  const auto& box = entry.box;
  return via_region(fmt::format(R"("name": "rect", "x": {}, "y": {}, "width": {}, "height": {})", box.x1,
                                box.y1, box.x2 - box.x1, box.y2 - box.y1),
                    fmt::format(R"("{}": "{}")", attribute, entry.class_name));
}

/// An image of VIA 2, whose key is its name and its size in bytes.
std::string via_image(const std::string& name, const std::string& regions, int size = 12345) {
  return fmt::format(R"("{}{}": {{"filename": "{}", "size": {}, "regions": [{}], "file_attributes": {{}}}})",
                     name, size, name, size, regions);
}

std::string via_project(const std::string& images) {
  return fmt::format(R"({{"_via_settings": {{"ui": {{}}, "core": {{"buffer_size": 18, "filepath": {{}}}},
      "project": {{"name": "via_project_30Nov2026"}}}},
    "_via_img_metadata": {{{}}},
    "_via_attributes": {{"region": {{"class": {{"type": "text", "description": "", "default_value": ""}}}}, "file": {{}}}},
    "_via_data_format_version": "2.0.10", "_via_image_id_list": []}})",
                     images);
}

class Via : public testing::Test {
 protected:
  std::filesystem::path root() const { return folder_.path() / "set"; }

  void write(const std::string& name, std::string_view text) { folder_.write("set/" + name, text); }

  void write_images(const std::string& folder = ".") {
    std::filesystem::create_directories(root() / folder);
    base_set::write_images(root() / folder);
  }

  /// The regions of img1.png, and what reading says of them.
  AnnotatedPart read_regions(const std::vector<std::string>& regions, LocateOptions options = {}) {
    options.bad_boxes = Policy::stop;
    write_images();
    write("via.json", "{" + via_image("img1.png", fmt::format("{}", fmt::join(regions, ", "))) + "}");
    problems_ = {};
    return read_parts(locate(root(), options), problems_).at(0);
  }

  void expect_base_set(const std::filesystem::path& place) {
    const auto parts = locate(place);
    ASSERT_EQ(parts.size(), 1u);
    EXPECT_EQ(parts[0].options.type, "via");
    Problems problems;
    base_set::expect_records(*open(parts[0].options, parts[0].split, problems));
    EXPECT_THAT(problems.kinds(), IsEmpty())
        << problems.text(Severity::warning) << problems.text(Severity::error);
  }

  std::string text(Severity severity) const { return problems_.text(severity); }

  TempFolder folder_;
  Problems problems_;
};

TEST_F(Via, FourBoxesOfAProject) {
  std::vector<std::string> images;
  for (const auto& entry : entries()) images.push_back(via_image(entry.id + ".png", via_rect(entry)));
  write_images();
  write("via_project.json", via_project(fmt::format("{}", fmt::join(images, ", "))));
  expect_base_set(root());
  expect_base_set(root() / "via_project.json");
}

TEST_F(Via, FourBoxesOfExportedAnnotations) {
  std::vector<std::string> images;
  for (const auto& entry : entries())
    images.push_back(via_image("https://example.org/set/" + entry.id + ".png", via_rect(entry, "Label"), -1));
  write_images("images");
  write("annotations/via_export_json.json", "{" + fmt::format("{}", fmt::join(images, ", ")) + "}");
  expect_base_set(root());
  expect_base_set(root() / "annotations/via_export_json.json");
}

TEST_F(Via, FourBoxesOfVersionOneWhoseRegionsAreAnObject) {
  std::vector<std::string> images;
  for (const auto& entry : entries()) {
    images.push_back(fmt::format(
        R"("{0}.png99": {{"fileref": "", "size": 99, "filename": "{0}.png", "base64_img_data": "",
            "file_attributes": {{}}, "regions": {{"0": {1}}}}})",
        entry.id, via_rect(entry, "species")));
  }
  write_images();
  write("via_region_data.json", "{" + fmt::format("{}", fmt::join(images, ", ")) + "}");
  expect_base_set(root());
}

TEST_F(Via, FoldersAndNamesOfFilesArePartsAsInMaskRcnnsBalloons) {
  for (const std::string part : {"train", "val"}) {
    write_images(part);
    write(part + "/via_region_data.json", "{" + via_image("img1.png", via_rect(entries()[0])) + "}");
  }
  write("other/via_test.json", "{" + via_image("img1.png", "") + "}");
  const auto parts = locate(root());
  std::vector<std::string> names;
  for (const auto& part : parts) names.push_back(part.name);
  EXPECT_THAT(names, ElementsAre("test", "train", "val"));
  const auto read = read_parts(std::span(parts).subspan(1), problems_);
  EXPECT_EQ(read[0].images, root() / "train");
  EXPECT_EQ(read[1].images, root() / "val");
}

TEST_F(Via, EachShapeWithAnAreaIsABox) {
  const std::string dog = R"("class": "dog")";
  const auto part = read_regions(
      {via_region(R"("name": "rect", "x": 1, "y": 2, "width": 10, "height": 20)", dog),
       via_region(R"("name": "circle", "cx": 50, "cy": 60, "r": 10.5)", dog),
       via_region(R"("name": "ellipse", "cx": 50, "cy": 60, "rx": 10, "ry": 20, "theta": 1.5707963267948966)",
                  dog),
       via_region(R"("name": "polygon", "all_points_x": [10, 50, 40], "all_points_y": [20, 5, 60])", dog),
       via_region(R"("name": "point", "cx": 50, "cy": 60)", dog),
       via_region(R"("name": "polyline", "all_points_x": [10, 50], "all_points_y": [20, 5])", dog)});
  std::vector<std::array<double, 4>> boxes;
  for (const auto& annotation : part.content.annotations) boxes.push_back(annotation.box);
  EXPECT_THAT(boxes, ElementsAre(std::array{1., 2., 10., 20.}, std::array{39.5, 49.5, 21., 21.},
                                 std::array{30., 50., 40., 20.}, std::array{10., 5., 40., 55.}));
  EXPECT_EQ(part.content.details[3].segmentation, "[[10,20,50,5,40,60]]");
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
  EXPECT_THAT(text(Severity::warning), HasSubstr("via.json: img1.png region 5 (\"point\")"));
}

TEST_F(Via, TheClassIsTheAttributeThatIsCalledSoAndTheOthersAreAttributes) {
  const std::string shape = R"("name": "rect", "x": 1, "y": 2, "width": 10, "height": 20)";
  const auto part = read_regions({via_region(
      shape,
      R"("name": "Swan", "CLASS": {"bird": true, "fish": false}, "quality": {"good": true}, "n": 3)")});
  EXPECT_EQ(part.content.categories.at(0).name, "bird");
  EXPECT_THAT(part.content.details.at(0).attributes,
              ElementsAre(Pair("n", "3"), Pair("name", "\"Swan\""), Pair("quality", R"({"good":true})")));
}

TEST_F(Via, AttributesThatCouldAllBeTheClassAreListed) {
  const std::string shape = R"("name": "rect", "x": 1, "y": 2, "width": 10, "height": 20)";
  EXPECT_THAT(
      message_of<DataError>([&] { read_regions({via_region(shape, R"("colour": "red", "size": "big")")}); }),
      AllOf(HasSubstr("which attribute of the regions is their class: colour, size"),
            HasSubstr("call that one")));
  EXPECT_THAT(
      message_of<DataError>([&] { read_regions({via_region(shape, R"("name": "Swan", "type": "bird")")}); }),
      HasSubstr("name, type"));
}

TEST_F(Via, RegionsWithoutAClassAreErrorsUnlessOneClassIsNamed) {
  const std::string shape = R"("name": "rect", "x": 1, "y": 2, "width": 10, "height": 20)";
  read_regions({via_region(shape, R"("class": "dog")"), via_region(shape, R"("class": "")"),
                via_region(shape, ""), via_region(shape, R"("class": {"a": true, "b": true})")});
  EXPECT_THAT(text(Severity::error), AllOf(HasSubstr("img1.png region 2 (class: \"\")"),
                                           HasSubstr("img1.png region 3 (class: null)"),
                                           HasSubstr("region 4 (class: {\"a\":true,\"b\":true})")));
  // The balloons of Mask R-CNN have no attribute at all.
  read_regions({via_region(shape, "")});
  EXPECT_THAT(text(Severity::error), AllOf(HasSubstr("a region has no class"), HasSubstr("data.classes")));
  const auto part = read_regions({via_region(shape, "")}, {.classes = {"balloon"}});
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
  EXPECT_EQ(part.content.categories.at(0).name, "balloon");
}

TEST_F(Via, WhatIsWrongIsSaidAtOnceWithItsValue) {
  const std::string dog = R"("class": "dog")";
  read_regions({via_region(R"("name": "rect", "x": NaN, "y": 2, "width": 10, "height": 20)", dog),
                via_region(R"("name": "rect", "x": "1", "y": 2, "width": 10, "height": 20)", dog),
                via_region(R"("name": "rect", "x": 1, "y": 2, "width": null, "height": 20)", dog),
                via_region(R"("name": "cube", "x": 1)", dog), R"({"region_attributes": {"class": "dog"}})",
                "3",
                via_region(R"("name": "polygon", "all_points_x": [10, 50], "all_points_y": [20, 5])", dog)});
  EXPECT_THAT(
      text(Severity::error),
      AllOf(HasSubstr("region 1 (\"NaN\")"),
            HasSubstr(
                "width must be a number (bad_boxes=skip leaves it out): via.json: img1.png region 3 (null)"),
            HasSubstr("region 4 (name: \"cube\")"), HasSubstr("region 5 (null)"), HasSubstr("region 6 (3)"),
            HasSubstr("region 7 ([10,50], [20,5])")));
  EXPECT_THAT(text(Severity::warning), HasSubstr("a number is written in quotes"));
}

TEST_F(Via, MissingImagesAndSecondEntries) {
  write_images();
  write("via.json", "{" + via_image("img1.png", via_rect(entries()[0])) + ", " +
                        via_image("img1.png", "", 7) + ", " + via_image("gone.png", via_rect(entries()[0])) +
                        ", " + via_image("img2.png", via_rect(entries()[1])) + ", " +
                        via_image("img2.png", via_rect(entries()[1]), 8) + "}");
  const auto parts = read_parts(locate(root()), problems_);
  EXPECT_EQ(parts.at(0).content.images.size(), 2u);
  EXPECT_THAT(
      text(Severity::error),
      AllOf(HasSubstr("an image that is not there (bad_images=skip leaves it out): via.json: gone.png"),
            HasSubstr("two entries with regions, of which VIA itself shows one; remove the other: via.json: "
                      "img2.png")));
  EXPECT_THAT(text(Severity::warning),
              HasSubstr("second entry without regions, which is left out: via.json: img1.png"));
}

TEST_F(Via, DamagedFilesAndOtherVersionsAreNamed) {
  write_images();
  write("via.json", via_project("").substr(0, 200));
  EXPECT_THAT(message_of<DataError>([&] { read_parts(locate(root()), problems_); }),
              AllOf(HasSubstr("via.json"), HasSubstr("parse error at line")));
  write("via.json", R"({"_via_img_metadata": )" + std::string(100'000, '['));
  EXPECT_THAT(message_of<DataError>([&] { read_parts(locate(root()), problems_); }),
              HasSubstr("nested too deeply"));
  write(
      "via.json",
      R"({"project": {"pid": "__VIA_PROJECT_ID__", "rev": "1", "data_format_version": "3.1.1"}, "config": {},
      "attribute": {}, "file": {}, "metadata": {}, "view": {}})");
  EXPECT_THAT(message_of<DataError>([&] { read_parts(locate(root()), problems_); }), HasSubstr("VIA 3"));
}

TEST_F(Via, OtherFormatsAreNotTakenForIt) {
  write(
      "coco.json",
      R"({"info": {"filename": 1}, "images": [{"file_name": "a", "regions": 1}], "annotations": [], "categories": []})");
  write("labelme.json", R"({"shapes": [], "imagePath": "a.png"})");
  EXPECT_THAT(formats().at("via").parts(Place(root()), {}), IsEmpty());
}

}  // namespace
}  // namespace rcnn::data
