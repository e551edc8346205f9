#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
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
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

/// A shape as LabelMe writes it (labelme/_app.py, format_shape; _label_file.py).
std::string labelme_shape(const std::string& label, const std::string& type, const std::string& points,
                          const std::string& more = R"("group_id": null, "flags": {})") {
  return fmt::format(
      R"({{"label": "{}", "points": {}, "shape_type": "{}", "description": "", "mask": null, {}}})", label,
      points, type, more);
}

/// A file as LabelMe 5 writes it (_label_file.py, LabelFile.save).
std::string labelme_file(const std::string& shapes, const std::string& image_path,
                         const std::string& size = R"("imageHeight": 150, "imageWidth": 200)") {
  return fmt::format(
      R"({{"version": "5.5.0", "flags": {{}}, "shapes": [{}], "imagePath": "{}", "imageData": "iVBORw0KGgo=", {}}})",
      shapes, image_path, size);
}

std::string labelme_rectangle(const base_set::Entry& entry) {
  const auto& box = entry.box;
  return labelme_shape(entry.class_name, "rectangle",
                       fmt::format("[[{}, {}], [{}, {}]]", box.x1, box.y1, box.x2, box.y2));
}

class LabelMe : public testing::Test {
 protected:
  void write_image_file(const std::string& name, int64_t height = 150, int64_t width = 200) {
    std::filesystem::create_directories((root() / name).parent_path());
    write_image(root() / name, at::full({height, width, 3}, 90, at::kByte));
  }

  std::filesystem::path root() const { return folder_.path() / "set"; }

  void write(const std::string& name, std::string_view text) { folder_.write("set/" + name, text); }

  /// An image img.png and its file with these shapes.
  void write_one(const std::string& shapes) {
    write_image_file("img.png");
    write("img.json", labelme_file(shapes, "img.png"));
  }

  /// Bad boxes are errors, which show their values as warnings do.
  std::vector<AnnotatedPart> read(LocateOptions options = {}) {
    problems_ = {};
    options.bad_boxes = Policy::stop;
    return read_parts(locate(root(), options), problems_);
  }

  std::string text(Severity severity) const { return problems_.text(severity); }

  TempFolder folder_;
  Problems problems_;
};

TEST_F(LabelMe, FourBoxesBesideTheirImages) {
  std::filesystem::create_directories(root());
  base_set::write_images(root());
  for (const auto& entry : entries())
    write(entry.id + ".json", labelme_file(labelme_rectangle(entry), entry.id + ".png"));
  const auto parts = locate(root());
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].options.type, "labelme");
  EXPECT_EQ(parts[0].name, "all");
  Problems problems;
  const auto dataset = open(parts[0].options, parts[0].split, problems);
  EXPECT_THAT(problems.kinds(), IsEmpty());
  base_set::expect_records(*dataset);
}

TEST_F(LabelMe, FourBoxesApartFromTheirImages) {
  std::filesystem::create_directories(root() / "images");
  base_set::write_images(root() / "images");
  const std::vector<std::string> paths = {"..\\\\images\\\\img1.png", "../images/img2.png",
                                          "C:\\\\Users\\\\me\\\\img3.png", "renamed.png"};
  for (size_t i = 0; i < entries().size(); ++i)
    write("annotations/" + entries()[i].id + ".json",
          labelme_file(labelme_rectangle(entries()[i]), paths[i]));
  const auto parts = locate(root());
  Problems problems;
  base_set::expect_records(*open(parts.at(0).options, parts.at(0).split, problems));
  EXPECT_THAT(problems.kinds(), IsEmpty());
}

TEST_F(LabelMe, FoldersArePartsAndWhatIsBelowThemBelongsToThem) {
  write_image_file("train/day1/a.png");
  write_image_file("train/b.png");
  write_image_file("val/c.png");
  write("train/day1/a.json", labelme_file(labelme_shape("dog", "rectangle", "[[1, 2], [11, 22]]"), "a.png"));
  write("train/b.json", labelme_file("", "b.png"));
  write("val/c.json", labelme_file(labelme_shape("cat", "rectangle", "[[1, 2], [11, 22]]"), "c.png"));
  const auto parts = read();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "train");
  EXPECT_EQ(parts[1].name, "val");
  ASSERT_EQ(parts[0].content.images.size(), 2u);
  EXPECT_EQ(parts[0].content.images[0].name, "b");
  EXPECT_EQ(parts[0].content.images[1].name, "day1/a");
  EXPECT_EQ(parts[0].images, root() / "train");
  EXPECT_THAT(problems_.kinds(), IsEmpty());
}

TEST_F(LabelMe, EachShapeWithAnAreaIsABox) {
  write_one(fmt::format(
      "{}",
      fmt::join(
          std::vector<std::string>{
              labelme_shape("a", "rectangle", "[[100, 110], [20.5, 30]]"),
              labelme_shape("a", "polygon", "[[10, 20], [50, 5], [40, 60.25]]"),
              labelme_shape("a", "circle", "[[100, 70], [103, 74]]"),
              // shapes_to_label: mask[y1 : y2 + 1, x1 : x2 + 1]
              labelme_shape("a", "mask", "[[10, 20], [19, 39]]"),
              labelme_shape("a", "line", "[[1, 2], [3, 4]]"), labelme_shape("a", "point", "[[1, 2]]"),
              // X-AnyLabeling's: four corners, and a rotated box.
              labelme_shape("a", "rectangle", "[[1, 2], [11, 2], [11, 22], [1, 22]]"),
              labelme_shape("a", "rotation", "[[50, 40], [60, 50], [50, 60], [40, 50]]",
                            R"("direction": 0.78, "difficult": false, "score": null, "attributes": {})")},
          ", ")));
  const auto parts = read();
  std::vector<std::array<double, 4>> boxes;
  for (const auto& annotation : parts.at(0).content.annotations) boxes.push_back(annotation.box);
  EXPECT_THAT(boxes, ElementsAre(std::array{20.5, 30., 79.5, 80.}, std::array{10., 5., 40., 55.25},
                                 std::array{95., 65., 10., 10.}, std::array{10., 20., 10., 20.},
                                 std::array{1., 2., 10., 20.}, std::array{40., 40., 20., 20.}));
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
  EXPECT_THAT(
      text(Severity::warning),
      AllOf(HasSubstr("lines and points have no area, and are left out: img.json shape 5 (line), img.json "
                      "shape 6 (point)"),
            HasSubstr(
                "rotated shapes are taken for the upright boxes around them: img.json shape 8 (rotation)")));
  EXPECT_EQ(parts[0].content.details[1].segmentation, "[[10,20,50,5,40,60.25]]");
}

TEST_F(LabelMe, OutlinesOfOneGroupAreOneObjectAndRectanglesAreNot) {
  const std::string group = R"("group_id": 3, "flags": {})";
  write_one(fmt::format(
      "{}",
      fmt::join(
          std::vector<std::string>{labelme_shape("dog", "polygon", "[[10, 10], [20, 10], [20, 20]]", group),
                                   labelme_shape("cat", "polygon", "[[1, 1], [2, 1], [2, 2]]", group),
                                   labelme_shape("dog", "polygon", "[[50, 10], [90, 10], [90, 80]]", group),
                                   labelme_shape("dog", "rectangle", "[[1, 1], [3, 3]]", group)},
          ", ")));
  const auto parts = read();
  const auto& content = parts.at(0).content;
  ASSERT_EQ(content.annotations.size(), 3u);
  EXPECT_EQ(content.annotations[0].box, (std::array{10., 10., 80., 70.}));
  EXPECT_EQ(content.details[0].segmentation, "[[10,10,20,10,20,20], [50,10,90,10,90,80]]");
  EXPECT_THAT(content.details[0].attributes, IsEmpty()) << "the group has done its work";
  EXPECT_THAT(content.details[1].attributes, ElementsAre(Pair("group_id", "3")));
  EXPECT_THAT(content.details[2].attributes, ElementsAre(Pair("group_id", "3")));
  EXPECT_THAT(text(Severity::warning), HasSubstr("as for labelme2coco: img.json shape 3"));
}

TEST_F(LabelMe, AttributesKeepTheirTypes) {
  write_one(labelme_shape("dog", "rectangle", "[[1, 1], [30, 30]]",
                          R"("flags": {"occluded": false, "crowd": true}, "group_id": 7, "difficult": true,
                             "attributes": {"age": 3, "colour": "red", "chip": null, "parents": [1, 2.5]})"));
  const auto parts = read();
  const auto& content = parts.at(0).content;
  EXPECT_TRUE(content.annotations.at(0).crowd);
  EXPECT_THAT(content.details.at(0).attributes,
              UnorderedElementsAre(Pair("occluded", "false"), Pair("group_id", "7"),
                                   Pair("difficult", "true"), Pair("age", "3"), Pair("colour", "\"red\""),
                                   Pair("chip", "null"), Pair("parents", "[1,2.5]")));
}

TEST_F(LabelMe, OtherFormsAreTaken) {
  write_image_file("a.png");
  write_image_file("b.png");
  write_image_file("c.PNG");
  // Files of before 3.5 have no shape_type, those of before 4 no sizes, and colours.
  write(
      "a.json",
      "\xef\xbb\xbf"
      R"({"shapes": [{"label": "dog", "points": [[1, 1], [30, 1], [30, 30]], "line_color": null, "fill_color": null}],
            "lineColor": [0, 255, 0, 128], "imagePath": "a.png", "imageData": null, "imageHeight": null, "imageWidth": null})");
  write("b.json", R"({"shapes": [{"label": 7, "shape_type": "rectangle", "points": [["1", 1], [30, "30.5"]]}],
                      "imagePath": null, "imageHeight": 150.0, "imageWidth": "200"})");
  write("c.json", R"({"shapes": null, "imagePath": "C.png"})");
  const auto parts = read();
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
  ASSERT_EQ(parts.at(0).content.images.size(), 3u);
  EXPECT_EQ(parts[0].content.annotations.at(1).box, (std::array{1., 1., 29., 29.5}));
  EXPECT_EQ(parts[0].content.categories.at(0).name, "7");
  EXPECT_THAT(text(Severity::warning),
              AllOf(HasSubstr("a number is written in quotes"), HasSubstr("points: \"1\""),
                    HasSubstr("a text is written without quotes"),
                    HasSubstr("a whole number is written with decimals")));
}

TEST_F(LabelMe, WhatIsWrongIsSaidAtOnceWithItsValue) {
  write_one(fmt::format(
      "{}", fmt::join(std::vector<std::string>{labelme_shape("dog", "rectangle", "[[1, NaN], [3, 3]]"),
                                               labelme_shape("", "rectangle", "[[1, 1], [3, 3]]"),
                                               labelme_shape("dog", "blob", "[[1, 1], [3, 3]]"),
                                               labelme_shape("dog", "rectangle", "null"),
                                               labelme_shape("dog", "rectangle", R"([[1, 1], [3, "x"]])"),
                                               labelme_shape("dog", "rectangle", "[[1, 1], [3]]"), "17",
                                               labelme_shape("dog", "rectangle", "[[1, 1]]"),
                                               labelme_shape("dog", "rectangle", "[[1, 1], [30, 30]]",
                                                             R"("flags": 3)"),
                                               labelme_shape("dog", "rectangle", "[[1, 1], [1e300, 30]]")},
                      ", ")));
  read();
  EXPECT_THAT(text(Severity::error),
              AllOf(HasSubstr("img.json shape 1 (\"NaN\")"), HasSubstr("a shape has no label"),
                    HasSubstr("img.json shape 3 (\"blob\")"), HasSubstr("img.json shape 4 (null)"),
                    HasSubstr("img.json shape 5 (\"x\")"), HasSubstr("img.json shape 6 ([3])"),
                    HasSubstr("img.json shape 7 (17)"), HasSubstr("farther away than any image reaches"),
                    HasSubstr("img.json shape 10 (1e+300)")));
  EXPECT_THAT(text(Severity::error), AllOf(HasSubstr("another number of points than its type"),
                                           HasSubstr("img.json shape 8 (rectangle of 1)")));
  EXPECT_THAT(text(Severity::warning), HasSubstr("img.json shape 9 (flags: 3)"));
}

TEST_F(LabelMe, DamagedFilesAndMissingImagesAreBadImages) {
  write_image_file("img.png");
  write_image_file("cut.png");
  write("img.json", labelme_file(labelme_shape("dog", "rectangle", "[[1, 1], [30, 30]]"), "img.png"));
  write("cut.json", R"({"version": "5.5.0", "shapes": [{"label": "dog", )");
  write("empty.json", "");
  write("gone.json", labelme_file("", "gone.png"));
  write("deep.json", R"({"shapes": )" + std::string(100'000, '['));
  write("latin1.json", "{\"shapes\": [], \"imagePath\": \"K\xfche.png\"}");
  auto parts = read();
  EXPECT_THAT(text(Severity::error),
              AllOf(HasSubstr("cut.json (parse error at line 1"), HasSubstr("empty.json (it is empty)"),
                    HasSubstr("deep.json (shapes: nested too deeply)"),
                    HasSubstr("latin1.json (line 1 is no UTF-8"), HasSubstr("bad_images=skip leaves it out"),
                    HasSubstr("(imageData)"), HasSubstr("gone.json (gone.png)")));
  parts = read({.bad_images = Policy::skip});
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
  ASSERT_EQ(parts.at(0).content.images.size(), 1u) << "the image of a damaged file is no background";
  EXPECT_EQ(parts[0].content.images[0].name, "img");
}

TEST_F(LabelMe, OtherJsonFilesArePassedOverAndImagesWithoutFilesAreBackground) {
  write_one(labelme_shape("dog", "rectangle", "[[1, 1], [30, 30]]"));
  write_image_file("empty.png");
  write_image_file("Visualization/img.png");
  write("package.json", R"({"name": "mine", "version": "1.0.0"})");
  write("results.json", "[1, 2]");
  const auto parts = read();
  EXPECT_EQ(parts.at(0).content.images.size(), 2u);
  EXPECT_FALSE(problems_.has(Severity::error));
  EXPECT_THAT(text(Severity::warning),
              AllOf(HasSubstr("an image without a file is background: empty.png"),
                    HasSubstr("none of LabelMe's is passed over: package.json, results.json"),
                    HasSubstr("left out: Visualization/img.png")));
}

TEST_F(LabelMe, TwoFilesOfOneImageAreAnError) {
  write_one("");
  write("copy.json", labelme_file("", "img.png"));
  read();
  EXPECT_THAT(text(Severity::error), HasSubstr("copy.json and img.json (imagePath: img.png)"));
}

TEST_F(LabelMe, AFileCanBeNamedItself) {
  write_one(labelme_shape("dog", "rectangle", "[[1, 1], [30, 30]]"));
  write_image_file("other.png");
  const auto parts = read_parts(locate(root() / "img.json"), problems_);
  ASSERT_EQ(parts.at(0).content.images.size(), 1u);
  EXPECT_EQ(parts[0].content.annotations.size(), 1u);
}

TEST_F(LabelMe, OtherFormatsAreNotTakenForIt) {
  write("a.json", R"({"images": [], "annotations": [], "categories": []})");
  write("b.json", R"({"img.png1": {"filename": "img.png", "size": 1, "regions": []}})");
  EXPECT_THAT(formats().at("labelme").parts(Place(root()), {}), IsEmpty());
}

TEST_F(LabelMe, WhatIsWrittenIsReadBack) {
  write_image_file("sub/a.png");
  AnnotatedPart part{.name = "train", .images = root()};
  auto& content = part.content;
  content.categories = {{.id = 1, .name = "dog \"\\\n\xe7\x8c\xab"}};
  content.images = {{.id = 1, .file_name = "sub/a.png", .size = {150, 200}, .name = "sub/a"}};
  content.image_fields = {{{"flags", R"({"night":true})"}}};
  const auto add = [&](std::array<double, 4> box, CocoDetails details, bool crowd = false) {
    content.annotations.push_back({.id = std::ssize(content.annotations) + 1,
                                   .image_id = 1,
                                   .category_id = 1,
                                   .box = box,
                                   .area = box[2] * box[3],
                                   .crowd = crowd});
    content.details.push_back(std::move(details));
  };
  add({1, 2, 30.5, 40}, {.attributes = {{"crowd", "true"}, {"group_id", "4"}, {"hidden", "false"}}}, true);
  add({10, 10, 20, 20},
      {.segmentation = "[[10,10,30,10,30,30]]", .attributes = {{"description", "\"old\""}, {"n", "2.5"}}});
  add({10, 10, 80, 80},
      {.segmentation = "[[10,10,30,10,30,30], [50,50,90,50,90,90]]", .attributes = {{"group_id", "1"}}});
  const auto output = folder_.path() / "out";
  convert({&part, 1}, "labelme", output, ImageFiles::copy, problems_);
  EXPECT_THAT(problems_.kinds(), IsEmpty()) << text(Severity::warning);
  const auto json = nlohmann::json::parse(file_bytes(output / "train/sub/a.json"));
  EXPECT_EQ(json["imagePath"], "a.png");
  EXPECT_TRUE(json["imageData"].is_null());
  EXPECT_EQ(json["shapes"].size(), 4u);
  EXPECT_EQ(json["shapes"][0]["flags"], (nlohmann::json{{"crowd", true}, {"hidden", false}}));

  const auto back = read_parts(locate(output), problems_).at(0);
  EXPECT_EQ(back.name, "train");
  EXPECT_EQ(back.content.categories.at(0).name, content.categories[0].name);
  EXPECT_EQ(back.content.image_fields, content.image_fields);
  ASSERT_EQ(back.content.annotations.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.content.annotations[i].box, content.annotations[i].box);
    EXPECT_EQ(back.content.annotations[i].crowd, content.annotations[i].crowd);
    EXPECT_EQ(back.content.details[i].segmentation, content.details[i].segmentation);
    EXPECT_THAT(back.content.details[i].attributes,
                testing::UnorderedElementsAreArray(content.details[i].attributes));
  }
}

TEST_F(LabelMe, WhatItCannotHoldIsSaid) {
  write_image_file("a.png");
  AnnotatedPart part{.name = "mine", .images = root()};
  part.content.categories = {{1, "dog"}, {2, "cat"}};
  part.content.images = {{.id = 1, .file_name = "a.png", .size = {150, 200}}};
  part.content.annotations = {{.id = 5, .image_id = 1, .category_id = 1, .box = {1, 2, 30, 40}, .area = 7}};
  part.content.details = {{.segmentation = R"({"size": [150, 200], "counts": "abc"})",
                           .attributes = {{"huge", "123456789012345678901234567890"}},
                           .others = {{"keypoints", "[1, 2, 2]"}}}};
  convert({&part, 1}, "labelme", folder_.path() / "out", ImageFiles::link, problems_);
  EXPECT_THAT(text(Severity::warning),
              AllOf(HasSubstr("classes without an object: cat"),
                    HasSubstr("an area that is not the box's: annotation 5"),
                    HasSubstr("outlines that are no polygons"), HasSubstr("keypoints"),
                    HasSubstr("numbers of more than 64 bits: annotation 5 (huge"),
                    HasSubstr("they are read as one: mine")));
}

TEST_F(LabelMe, ImagesThatDifferInTheirEndingsAreRefused) {
  write_image_file("a.png");
  write_image_file("a.jpg");
  AnnotatedPart part{.name = "train", .images = root()};
  part.content.images = {{.id = 1, .file_name = "a.png", .size = {150, 200}},
                         {.id = 2, .file_name = "a.jpg", .size = {150, 200}}};
  EXPECT_THAT(message_of<DataError>([&] {
                convert({&part, 1}, "labelme", folder_.path() / "out", ImageFiles::link, problems_);
              }),
              HasSubstr("a.png and a.jpg"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "out"));
}

TEST_F(LabelMe, RandomSetsAreReadBack) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const std::vector<std::string> texts = {"dog",        "group_id", "crowd", "imageData", "a\"b\\c",
                                          "\xc3\xa9\n", "{",        "label", " "};
  const std::vector<std::string> values = {"true", "false", "null",     "3",  "-9223372036854775808",
                                           "2.5",  "\"\"",  "\"x\\n\"", "[]", R"({"a":[1]})"};
  for (int round = 0; round < 20; ++round) {
    AnnotatedPart part{.name = "val", .images = root()};
    auto& content = part.content;
    const int images = 1 + below(4);
    for (int i = 0; i < images; ++i) {
      const auto name = fmt::format("{}/{}", below(2), i);
      write_image_file(name + ".png", 4, 4);
      content.images.push_back({.id = i + 1, .file_name = name + ".png", .size = {4, 4}, .name = name});
    }
    std::ranges::sort(content.images, {}, &CocoImage::file_name);
    for (auto& image : content.images) {
      std::set<std::string> classes;
      for (int count = below(4); count > 0; --count) {
        const auto name = texts[static_cast<size_t>(below(9))];
        auto category = std::ranges::find(content.categories, name, &Category::name);
        if (category == content.categories.end())
          category = content.categories.insert(category, {std::ssize(content.categories) + 1, name});
        const double x = below(1000) / 8.0 - 10, y = below(1000) / 1000.0, w = below(500) / 16.0,
                     h = below(9);
        CocoDetails details;
        if (below(2) == 0) details.segmentation = nlohmann::json({{x, y, x + w, y, x + w, y + h}}).dump();
        for (int fields = below(4); fields > 0; --fields) {
          const auto& key = texts[static_cast<size_t>(below(9))];
          if (std::ranges::find(details.attributes, key, &JsonFields::value_type::first) ==
              details.attributes.end())
            details.attributes.emplace_back(key, values[static_cast<size_t>(below(10))]);
        }
        content.annotations.push_back({.id = std::ssize(content.annotations) + 1,
                                       .image_id = image.id,
                                       .category_id = category->id,
                                       .box = {x, y, w, h},
                                       .area = w * h,
                                       .crowd = below(4) == 0});
        content.details.push_back(std::move(details));
      }
    }
    const auto output = folder_.path() / fmt::format("out{}", round);
    Problems problems;
    convert({&part, 1}, "labelme", output, ImageFiles::link, problems);
    const auto back = read_parts(locate(output), problems).at(0);
    EXPECT_FALSE(problems.has(Severity::error)) << problems.text(Severity::error);
    ASSERT_EQ(back.content.images.size(), content.images.size());
    ASSERT_EQ(back.content.annotations.size(), content.annotations.size());
    const auto class_of = [](const CocoFile& file, size_t i) {
      return std::ranges::find(file.categories, file.annotations[i].category_id, &Category::id)->name;
    };
    for (size_t i = 0; i < content.annotations.size(); ++i) {
      EXPECT_EQ(class_of(back.content, i), class_of(content, i));
      for (size_t side = 0; side < 4; ++side)
        EXPECT_NEAR(back.content.annotations[i].box[side], content.annotations[i].box[side], 2e-6);
      EXPECT_EQ(back.content.annotations[i].crowd, content.annotations[i].crowd);
      EXPECT_EQ(back.content.details[i].segmentation, content.details[i].segmentation);
      EXPECT_THAT(back.content.details[i].attributes,
                  testing::UnorderedElementsAreArray(content.details[i].attributes));
    }
  }
}

}  // namespace
}  // namespace rcnn::data
