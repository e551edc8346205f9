#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/split.h>
#include <rcnn/error.h>

#include "data/loading/random.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

using Labels = std::vector<std::vector<int64_t>>;
const std::vector<SplitShare> kTwo = {{"train", 0.8}, {"val", 0.2}};

/// How many images of each part show the class.
std::vector<int64_t> images_with(const Labels& labels, const std::vector<size_t>& part_of, size_t parts,
                                 int64_t label) {
  std::vector<int64_t> counts(parts);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (std::find(labels[i].begin(), labels[i].end(), label) != labels[i].end()) ++counts[part_of[i]];
  }
  return counts;
}

std::vector<int64_t> sizes(const std::vector<size_t>& part_of, size_t parts) {
  std::vector<int64_t> counts(parts);
  for (const size_t part : part_of) ++counts[part];
  return counts;
}

TEST(StratifiedSplit, SharesHoldToOneImage) {
  for (const uint64_t seed : {0, 1, 2, 3}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Labels labels(static_cast<size_t>(50 + random.below(200)));
    for (auto& image : labels) {
      for (int64_t i = random.below(4); i > 0; --i) image.push_back(random.below(7));
    }
    const std::vector<SplitShare> parts = {{"a", 0.55}, {"b", 0.3}, {"c", 0.15}};
    const auto counts = sizes(stratified_split(labels, parts, seed), parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      EXPECT_NEAR(double(counts[i]), parts[i].share * double(labels.size()), 1) << parts[i].name;
    }
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), std::ssize(labels));
  }
}

TEST(StratifiedSplit, RareClassesAreInEachPart) {
  // Each image shows class 1; every tenth class 2; five of a thousand class 3; two classes 3 and 4.
  Labels labels(1000, {1, 1});
  for (size_t i = 0; i < labels.size(); i += 10) labels[i].push_back(2);
  for (const size_t i : {7, 77, 177, 277, 377}) labels[i].push_back(3);
  for (const size_t i : {7, 77}) labels[i].push_back(4);
  for (const uint64_t seed : {0, 1, 2, 3, 4}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto part_of = stratified_split(labels, kTwo, seed);
    EXPECT_THAT(images_with(labels, part_of, 2, 1), ElementsAre(800, 200));
    EXPECT_THAT(images_with(labels, part_of, 2, 2), ElementsAre(80, 20));
    EXPECT_THAT(images_with(labels, part_of, 2, 3), ElementsAre(4, 1));
  }
}

TEST(StratifiedSplit, EachClassIsNearItsShare) {
  for (const uint64_t seed : {10, 11, 12}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Labels labels(2000);
    for (auto& image : labels) {
      for (int64_t label = 1; label <= 20; ++label) {
        if (random.chance(0.5 / double(label))) image.push_back(label);
      }
    }
    const auto part_of = stratified_split(labels, kTwo, seed);
    for (int64_t label = 1; label <= 20; ++label) {
      const auto counts = images_with(labels, part_of, 2, label);
      // The images given out for a rarer class bring this one along, so it is not exact.
      EXPECT_NEAR(double(counts[1]), 0.2 * double(counts[0] + counts[1]), 3) << "class " << label;
    }
  }
}

TEST(StratifiedSplit, TheSeedAloneDecides) {
  Labels labels;
  for (int64_t i = 0; i < 100; ++i) labels.push_back({i % 3});
  EXPECT_EQ(stratified_split(labels, kTwo, 5), stratified_split(labels, kTwo, 5));
  EXPECT_NE(stratified_split(labels, kTwo, 5), stratified_split(labels, kTwo, 6));
}

TEST(StratifiedSplit, ImagesMayBeEmpty) {
  EXPECT_THAT(sizes(stratified_split(Labels(10), kTwo, 0), 2), ElementsAre(8, 2));
}

TEST(StratifiedSplit, SharesMustMakeSense) {
  const auto error = [](const std::vector<SplitShare>& parts, size_t images = 10) {
    return message_of<ConfigError>([&] { stratified_split(Labels(images), parts, 0); });
  };
  EXPECT_THAT(error({{"train", 0.8}, {"val", 0.1}}), HasSubstr("sum to 0.9"));
  EXPECT_THAT(error({{"train", 1.2}, {"val", -0.2}}), HasSubstr("val has a share of -0.2"));
  EXPECT_THAT(error({{"train", 1}}), HasSubstr("two parts"));
  EXPECT_THAT(error({{"a", 0.5}, {"a", 0.5}}), HasSubstr("a is given twice"));
  for (const char* name : {"", "../a", ".a"})
    EXPECT_THAT(error({{name, 0.5}, {"b", 0.5}}), HasSubstr("called"));
  EXPECT_THAT(error({{"train", 0.9}, {"val", 0.1}}, 3), HasSubstr("val would get none of 3 images"));
}

class WriteSplit : public testing::Test {
 protected:
  DatasetPart coco(const std::string& text) const {
    DatasetPart part{.name = "gt", .options = {}, .split = {.annotations = folder_.write("gt.json", text)}};
    part.options.type = "coco";
    return part;
  }
  std::string read(const std::string& file) const { return file_bytes(folder_.path() / "out" / file); }
  fs::path out() const { return folder_.path() / "out"; }

  const TempFolder folder_;
};

TEST_F(WriteSplit, CocoEntriesKeepTheirText) {
  const auto part =
      coco(R"({"info": {"year": 2017, "é\"\u0041": [1.50, 1e400]}, "licenses": [], "annotations": [
      {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1.10, 2, 3.0, 4e0], "segmentation": [[1.000, 2]], "x": null},
      {"id": 2, "image_id": 40000000000, "category_id": 90, "bbox": [0,0,1,1]},
      {"id": 3, "image_id": 7, "category_id": 90, "bbox": [0,0,1,1]}],
    "images": [{"id": 7, "file_name": "b.jpg", "note": "a \"} b"},
               {"id": 40000000000, "file_name":   "a.jpg"}], "categories": [{"id": 90, "name": "cat"},
               {"id": 3, "name": "dog", "supercategory": "pet"}], "extra" : true })");
  const auto written = write_split(part, out(), {{"a", 0.5}, {"b", 0.5}}, 0);
  ASSERT_EQ(written.size(), 2u);
  const bool dog_first = written[0].class_images.at("dog") == 1;
  const auto& with_dog = written[dog_first ? 0 : 1];
  EXPECT_EQ(with_dog.images, 1);
  EXPECT_EQ(with_dog.class_images.at("cat"), 1);
  EXPECT_EQ(with_dog.file, out() / (dog_first ? "instances_a.json" : "instances_b.json"));
  const std::string text = file_bytes(with_dog.file);
  for (
      const char* same :
      {R"("info": {"year": 2017, "é\"\u0041": [1.50, 1e400]})", R"("licenses": [])", R"("extra": true)",
       R"({"id": 1, "image_id": 7, "category_id": 3, "bbox": [1.10, 2, 3.0, 4e0], "segmentation": [[1.000, 2]], "x": null})",
       R"({"id": 7, "file_name": "b.jpg", "note": "a \"} b"})", R"("supercategory": "pet")"}) {
    EXPECT_THAT(text, HasSubstr(same));
  }
  EXPECT_THAT(text, testing::Not(HasSubstr("40000000000")));
  const auto a = read_coco_file(out() / "instances_a.json"), b = read_coco_file(out() / "instances_b.json");
  EXPECT_EQ(a.images.size() + b.images.size(), 2u);
  EXPECT_EQ(a.annotations.size() + b.annotations.size(), 3u);
  EXPECT_EQ(a.categories, b.categories);
}

TEST_F(WriteSplit, CocoFilesHoldEachImageOnceInOrder) {
  nlohmann::json json = {{"images", nlohmann::json::array()},
                         {"annotations", nlohmann::json::array()},
                         {"categories", {{{"id", 1}, {"name", "cat"}}, {{"id", 2}, {"name", "dog"}}}}};
  for (int i = 0; i < 50; ++i) {
    json["images"].push_back({{"id", 100 - i}, {"file_name", "x.jpg"}});
    for (int k = 0; k < i % 4; ++k) {
      json["annotations"].push_back(
          {{"id", 10 * i + k}, {"image_id", 100 - i}, {"category_id", 1 + k % 2}, {"bbox", {0, 0, 1, 1}}});
    }
  }
  const auto written = write_split(coco(json.dump()), out(), kTwo, 3);
  EXPECT_EQ(written[0].images, 40);
  EXPECT_EQ(written[1].images, 10);
  std::vector<nlohmann::json> images, annotations;
  for (const auto& part : written) {
    const auto file = nlohmann::json::parse(file_bytes(part.file));
    std::set<int64_t> ids;
    int64_t last = 1000;
    for (const auto& image : file["images"]) {
      images.push_back(image);
      EXPECT_LT(image["id"], last) << "the file's order";
      last = image["id"];
      ids.insert(last);
    }
    for (const auto& annotation : file["annotations"]) {
      annotations.push_back(annotation);
      EXPECT_TRUE(ids.contains(annotation["image_id"])) << annotation;
    }
    EXPECT_EQ(file["categories"], json["categories"]);
  }
  EXPECT_THAT(images, UnorderedElementsAreArray(json["images"].get<std::vector<nlohmann::json>>()));
  EXPECT_THAT(annotations, UnorderedElementsAreArray(json["annotations"].get<std::vector<nlohmann::json>>()));
}

TEST_F(WriteSplit, VocGetsListsAlone) {
  const fs::path root = folder_.path() / "voc";
  std::string list;
  for (int i = 0; i < 10; ++i) {
    const std::string id = "image_" + std::to_string(i);
    folder_.write("voc/Annotations/" + id + ".xml",
                  "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>"
                  "<ymax>9</ymax></bndbox></object></annotation>");
    fs::create_directories(root / "JPEGImages");
    write_image(root / "JPEGImages" / (id + ".jpg"), at::full({10, 20, 3}, 128, at::kByte));
    list += id + "\n";
  }
  folder_.write("voc/ImageSets/Main/all.txt", list);
  const auto parts = locate(root);
  const auto written = write_split(parts.at(0), out(), kTwo, 0);
  EXPECT_EQ(written[0].images, 8);
  EXPECT_EQ(written[1].class_images.at("cat"), 2);
  EXPECT_EQ(read("train.txt").size() + read("val.txt").size(), list.size());
  EXPECT_EQ(std::distance(fs::directory_iterator(out()), {}), 2);

  // The user's own folder may be named: only what is not there is written.
  write_split(parts.at(0), root / "ImageSets/Main", kTwo, 0);
  EXPECT_EQ(file_bytes(root / "ImageSets/Main/all.txt"), list);
  EXPECT_EQ(open(parts[0].options, {.split = "val"})->size(), 2);
}

TEST_F(WriteSplit, NothingIsOverwritten) {
  const auto part =
      coco(R"({"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "b"}], "annotations": [],
    "categories": []})");
  folder_.write("out/instances_b.json", "mine");
  EXPECT_THAT(message_of<ConfigError>([&] {
                write_split(part, out(), {{"a", 0.5}, {"b", 0.5}}, 0);
              }),
              AllOf(HasSubstr("instances_b.json"), HasSubstr("already")));
  EXPECT_EQ(read("instances_b.json"), "mine");
  EXPECT_FALSE(fs::exists(out() / "instances_a.json"));
}

TEST_F(WriteSplit, AnnotationsWithoutAnImageAreAnError) {
  const auto part = coco(R"({"images": [{"id": 1, "file_name": "a"}], "annotations": [{"id": 5, "image_id": 2,
    "category_id": 1, "bbox": [0, 0, 1, 1]}], "categories": [{"id": 1, "name": "cat"}]})");
  EXPECT_THAT(message_of<DataError>([&] { write_split(part, out(), kTwo, 0); }), HasSubstr("annotation 5"));
  EXPECT_FALSE(fs::exists(out()));
}

}  // namespace
}  // namespace rcnn::data
