#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/voc/voc_file.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/run_program.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class VocWrite : public testing::Test {
 protected:
  /// An image of the part, which is made.
  void picture(const std::string& name) const {
    const auto file = root() / "images" / name;
    fs::create_directories(file.parent_path());
    if (!fs::exists(root() / "a.png")) write_image(root() / "a.png", at::full({10, 20, 3}, 90, at::kByte));
    fs::copy_file(root() / "a.png", file, fs::copy_options::overwrite_existing);
  }
  /// A part of these images, with an object each.
  AnnotatedPart part_of(const std::vector<std::string>& files, const std::string& name = "train") const {
    AnnotatedPart part{.name = name, .images = root() / "images"};
    part.content.categories = {{1, "cat"}};
    for (const auto& file : files) {
      picture(file);
      const auto id = std::ssize(part.content.images) + 1;
      part.content.images.push_back({.id = id, .file_name = file, .size = {10, 20}});
      part.content.annotations.push_back(
          {.id = id, .image_id = id, .category_id = 1, .box = {1, 2, 3, 4}, .area = 12});
      part.content.details.emplace_back();
    }
    return part;
  }
  fs::path written(const std::vector<AnnotatedPart>& parts) {
    const auto folder = root() / fmt::format("voc{}", ++written_);
    problems_ = {};
    convert(parts, "voc", folder, ImageFiles::link, problems_);
    return folder;
  }
  std::vector<AnnotatedPart> back(const std::vector<AnnotatedPart>& parts) {
    Problems found;
    auto result = read_parts(locate(written(parts)), found);
    EXPECT_TRUE(found.kinds().empty()) << found.text(Severity::error) << found.text(Severity::warning);
    return result;
  }
  std::string error(const std::vector<AnnotatedPart>& parts) {
    const auto message = message_of<DataError>([&] { written(parts); });
    EXPECT_FALSE(fs::exists(root() / fmt::format("voc{}", written_))) << "nothing is left";
    return message;
  }
  std::vector<std::string> files_of(const AnnotatedPart& part) const {
    std::vector<std::string> files;
    for (const auto& image : part.content.images) files.push_back(image.file_name);
    return files;
  }
  const fs::path& root() const { return folder_.path(); }

  const TempFolder folder_;
  Problems problems_;
  int written_ = 0;
};

TEST_F(VocWrite, NamesThatDifferInFolderOrEndingOnlyStayApart) {
  const std::vector<std::string> files = {"day1/a.png", "day2/a.png", "b.png", "b.PNG", "c.png.jpg",
                                          "c.png",      "d 1.png",    "d.png", "e.gif", "f"};
  const auto parts = back({part_of(files)});
  EXPECT_EQ(files_of(parts.at(0)), files);
  EXPECT_TRUE(problems_.kinds().empty()) << problems_.text(Severity::warning);
  EXPECT_EQ(file_bytes(root() / "voc1/ImageSets/Main/train.txt"),
            "day1/a\nday2/a\nb.png\nb.PNG\nc.png.jpg\nc\nd 1\nd\ne.gif\nf\n");
  EXPECT_TRUE(fs::exists(root() / "voc1/Annotations/day1/a.xml"));
}

TEST_F(VocWrite, ImagesOfPartsThatHaveOneNameGoIntoFolders) {
  auto train = part_of({"a.png", "b.png"}), test = part_of({"a.png"}, "test");
  EXPECT_THAT(files_of(back({train, test}).at(1)), ElementsAre("a.png", "b.png"))
      << "one image in two parts, which are sorted by name";
  fs::rename(root() / "images", root() / "other");
  test = part_of({"a.png"}, "test");
  train.images = root() / "other";
  const auto parts = back({train, test});
  EXPECT_THAT(files_of(parts.at(0)), ElementsAre("test/a.png"));
  EXPECT_THAT(files_of(parts.at(1)), ElementsAre("train/a.png", "b.png"));
  EXPECT_THAT(problems_.text(Severity::warning), HasSubstr("have one name"));

  test = part_of({"a.png"}, "test");
  test.images = train.images;
  test.content.annotations[0].box[0] = 2;
  EXPECT_THAT(error({train, test}), HasSubstr("different annotations of one image: a.png"));
}

TEST_F(VocWrite, AttributesComeBackWhateverTheyAreCalled) {
  auto part = part_of({"a.png"});
  const JsonFields attributes = {{"bndbox", "\"x\""},
                                 {"difficult", "\"1\""},
                                 {"id", "9000"},
                                 {"iscrowd", "true"},
                                 {"name", "\"y\""},
                                 {"object", "[1, {}]"},
                                 {"occluded", "false"},
                                 {"pose", "null"},
                                 {"truncated", "\"1\""},
                                 {"type", "1.50"},
                                 {"<:anonymous>", R"("\u0001")"}};
  part.content.details[0] = {.segmentation = "[[1, 2, 3, 4, 5, 6]]",
                             .attributes = attributes,
                             .others = {{"keypoints", "[1, 2, 2]"}, {"num_keypoints", "1"}}};
  for (const bool crowd : {false, true}) {
    part.content.annotations[0].crowd = crowd;
    const auto found = back({part}).at(0).content;
    EXPECT_THAT(found.details.at(0).attributes, testing::UnorderedElementsAreArray(attributes));
    EXPECT_EQ(found.details[0].segmentation, "[[1, 2, 3, 4, 5, 6]]");
    EXPECT_EQ(found.details[0].others, part.content.details[0].others);
    EXPECT_EQ(found.annotations.at(0).crowd, crowd);
    EXPECT_EQ(found.annotations[0].id, 1);
    EXPECT_TRUE(problems_.kinds().empty());
  }
}

TEST_F(VocWrite, WhatVocDoesNotHoldIsCounted) {
  auto part = part_of({"a.png", "b.png"});
  part.content.fields = {{"info", "{}"}};
  part.content.image_fields = {{{"license", "1"}}, {{"license", "2"}, {"date_captured", "\"\""}}};
  part.content.category_fields = {{{"supercategory", "\"animal\""}}};
  part.content.details[0].others = {{"caption", "\"a cat\""}, {"keypoints", "\"none\""}};
  part.content.details[1].attributes = {{"\xff", "1"}, {"a", "\"\xff\""}};
  back({part});
  EXPECT_EQ(problems_.text(Severity::warning),
            "\n  left out: attributes that are no UTF-8: \\xff (annotation 2), a (annotation 2)"
            "\n  Pascal VOC does not hold fields of annotations: caption (1), keypoints (1)"
            "\n  Pascal VOC does not hold fields of classes: supercategory (1)"
            "\n  Pascal VOC does not hold fields of files: info (1)"
            "\n  Pascal VOC does not hold fields of images: date_captured (1), license (2)");
}

TEST_F(VocWrite, WhatItWouldGetWrongIsAnError) {
  const auto of_class = [&](const std::string& name) {
    auto part = part_of({"a.png"});
    part.content.categories[0].name = name;
    return part;
  };
  for (const char* name : {"a\x01", "a\nb", "\xff", "", " ", "\xef\xbf\xbe"})
    EXPECT_THAT(error({of_class(name)}), HasSubstr("a class's name that XML cannot hold")) << name;
  auto twins = of_class("cat ");
  back({twins});
  EXPECT_THAT(problems_.text(Severity::warning), HasSubstr("blanks around a class's name are lost"));
  twins.content.categories.push_back({2, "cat"});
  EXPECT_THAT(error({twins}), HasSubstr("two classes have one name: cat (2)"));

  EXPECT_THAT(error({part_of({"a\nb.png"})}), HasSubstr("a list of names, or XML, cannot hold: a\\nb.png"));
  EXPECT_THAT(error({part_of({"\xff.png"})}), HasSubstr("\\xff.png"));
  auto part = part_of({"a.png"});
  part.content.images[0].file_name = "../a.png";
  EXPECT_THAT(error({part}), HasSubstr("../a.png"));
  EXPECT_THAT(error({part_of({"day1/.a.png"})}),
              HasSubstr("passed over where folders are read: day1/.a.png"));
  EXPECT_THAT(error({part_of({"a.png", "a.png"})}), HasSubstr("an image is there twice in a part: a.png"));
  EXPECT_THAT(error({part_of({"a.png"}, "a/b")}), HasSubstr("a part's name"));
  part = part_of({"a.png"});
  part.content.annotations[0].category_id = 5;
  EXPECT_THAT(error({part}), HasSubstr("annotation 1"));
}

/// Parts as a hostile person would make them, of what VOC holds.
class RandomParts {
 public:
  explicit RandomParts(unsigned seed) : random_(seed) {}

  std::vector<AnnotatedPart> make(const fs::path& images) {
    std::vector<Category> categories;
    std::set<std::string> names;
    for (int64_t i = below(5); i >= 0; --i) {
      const auto name = class_name();
      if (names.insert(name).second) categories.push_back({unique_id(), name});
    }
    std::vector<AnnotatedPart> parts;
    for (const char* name : {"a", "train", "ünter_val"}) {
      AnnotatedPart part{.name = name, .images = images};
      part.content.categories = categories;
      for (int64_t i = below(4); i > 0; --i) add_image(part.content);
      parts.push_back(std::move(part));
    }
    return parts;
  }

 private:
  int64_t below(int64_t end) { return std::uniform_int_distribution<int64_t>(0, end - 1)(random_); }
  int64_t unique_id() {
    for (;;) {
      const int64_t id = below(2) == 0 ? below(1000) : std::numeric_limits<int64_t>::max() - below(1000);
      if (ids_.insert(id).second) return id;
    }
  }
  std::string piece(const std::vector<std::string>& of) {
    return of[static_cast<size_t>(below(std::ssize(of)))];
  }
  std::string class_name() {
    std::string name = "c";
    for (int64_t i = below(4); i > 0; --i)
      name += piece({"<&>", "\"'", "犬", " ", "1", "\t", "e\u0301", "]]>", "\\", "name"});
    return name + "c";
  }
  std::string file_name() {
    std::string name = piece({"n", "", "day1/", "Annotations/", "train/", "ä ö/"});
    name += piece({"a", "b", "1", " 1", "狗"});
    for (int64_t i = below(3); i > 0; --i)
      name += piece({"a", "b", "1", " 1", "狗", "&", ".jpg", "-", "x.", ".xml"});
    return name + piece({".png", ".PNG", ".jpg", ".bmp", ".gif", ""});
  }
  nlohmann::json value(int depth) {
    const auto text = piece({"", " ", "red", "\x01", "\r\n", "<a>", "null", "1", "\uffff", "犬", " x "});
    switch (below(depth > 1 ? 5 : 7)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return below(1 << 20) - (1 << 19);
      case 3:
        return static_cast<double>(below(1000)) / 8;
      case 4:
        return text;
      case 5:
        return nlohmann::json::array({value(depth + 1), value(depth + 1)});
      default:
        return nlohmann::json{{text, value(depth + 1)}};
    }
  }
  double tenth() { return static_cast<double>(below(1000)) / 10; }

  void add_image(CocoFile& content) {
    auto file = file_name();
    while (!files_.insert(file).second) file += "z";
    content.images.push_back({.id = unique_id(), .file_name = file, .size = {10, 20}});
    if (below(4) == 0) content.images.back().size = {};
    for (int64_t i = below(4); i > 0; --i) {
      CocoAnnotation annotation{.id = unique_id(), .image_id = content.images.back().id};
      annotation.category_id =
          content.categories[static_cast<size_t>(below(std::ssize(content.categories)))].id;
      annotation.box = {tenth(), tenth(), tenth(), tenth()};
      annotation.area = below(2) == 0 ? 0.1 * static_cast<double>(below(1000)) : 12;
      annotation.crowd = below(3) == 0;
      content.annotations.push_back(annotation);
      CocoDetails details;
      std::map<std::string, std::string> attributes;
      for (int64_t k = below(4); k > 0; --k) {
        attributes[piece({"pose", "truncated", "occluded", "difficult", "id", "area", "name", "iscrowd", "",
                          " a", "\x01", "car color", "犬", "segmentation", "type"})] = value(0).dump();
      }
      details.attributes.assign(attributes.begin(), attributes.end());
      if (below(2) == 0) details.segmentation = "[[1, 2, 3, 4, 5, 6.5]]";
      if (below(3) == 0) details.others = {{"keypoints", "[1, 2, 2]"}, {"num_keypoints", "1"}};
      content.details.push_back(std::move(details));
    }
  }

  std::mt19937 random_;
  std::set<int64_t> ids_;
  std::set<std::string> files_;
};

/// All that VOC holds of a part, in an order that does not depend on the format.
nlohmann::json summary(const AnnotatedPart& part) {
  const auto& content = part.content;
  nlohmann::json all;
  all["name"] = part.name;
  for (const auto& [id, name] : content.categories) all["categories"][name] = id;
  for (const auto& image : content.images)
    all["images"].push_back({image.id, image.file_name, image.size.height, image.size.width});
  for (size_t i = 0; i < content.annotations.size(); ++i) {
    const auto& annotation = content.annotations[i];
    nlohmann::json attributes;
    for (const auto& [name, value] : content.details[i].attributes)
      attributes.push_back({name, nlohmann::json::parse(value)});
    std::sort(attributes.begin(), attributes.end());
    all["annotations"][std::to_string(annotation.id)] = {
        annotation.image_id, annotation.category_id,          annotation.box, annotation.area,
        annotation.crowd,    content.details[i].segmentation, attributes,     content.details[i].others};
  }
  return all;
}

TEST_F(VocWrite, RandomPartsComeBackAsTheyWere) {
  const auto seed = std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  constexpr unsigned kRounds = 20;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  for (unsigned round = 0; round < kRounds; ++round) {
    const auto parts = RandomParts(seed + round).make(root() / "images");
    for (const auto& part : parts) {
      for (const auto& image : part.content.images) picture(image.file_name);
    }
    const auto found = back(parts);
    ASSERT_EQ(found.size(), parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto expected = summary(parts[i]), seen = summary(found[i]);
      ASSERT_EQ(expected, seen) << nlohmann::json::diff(expected, seen).dump(1, ' ', true) << "\nround "
                                << round;
    }
    EXPECT_TRUE(problems_.kinds().empty()) << problems_.text(Severity::warning);
    fs::remove_all(root() / "images");
  }
  // Another parser takes what was written.
  const auto python =
      run_program("/usr/bin/env",
                  {"python3", "-c",
                   "import pathlib, sys, xml.etree.ElementTree as tree\n"
                   "files = list(pathlib.Path(sys.argv[1]).rglob('*.xml'))\n"
                   "files = [f for f in files if 'Annotations' in f.parts and 'JPEGImages' not in f.parts]\n"
                   "print(len([tree.parse(f).getroot().tag for f in files]))",
                   root().string()});
  EXPECT_EQ(python.exit_code, 0) << python.err;
  EXPECT_GT(std::stoi(python.out), 10);
}

}  // namespace
}  // namespace rcnn::data
