// What is written of COCO is read back as it was.
#include <limits>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::HasSubstr;

class RandomFile {
 public:
  explicit RandomFile(uint64_t seed) : random_(seed) {}

  CocoFile make() {
    CocoFile file;
    file.fields = fields({"info", "licenses", "x"});
    for (const auto id : ids()) {
      file.categories.push_back({id, text() + std::to_string(file.categories.size())});
      file.category_fields.push_back(fields({"keypoints", "skeleton"}));
    }
    for (const auto id : ids()) {
      file.images.push_back({.id = id, .file_name = text() + "x", .size = {}});
      if (below(2) == 0) file.images.back().size = {number(), number()};
      file.image_fields.push_back(fields({"license", "date_captured", "coco_url"}));
    }
    if (file.categories.empty() || file.images.empty()) return file;
    for (const auto id : ids()) {
      file.annotations.push_back({.id = id,
                                  .image_id = file.images[below(file.images.size())].id,
                                  .category_id = file.categories[below(file.categories.size())].id,
                                  .box = {real(), real(), real(), real()},
                                  .area = real(),
                                  .crowd = below(2) == 0});
      CocoDetails details{.attributes = fields({}),
                          .others = fields({"keypoints", "num_keypoints", "score"})};
      if (below(2) == 0)
        details.segmentation =
            below(2) == 0 ? "[[1.50, 2, 3e2, 4]]" : R"({"counts": "`]\\1", "size": [3, 4]})";
      file.details.push_back(details);
    }
    return file;
  }

 private:
  size_t below(size_t bound) { return random_() % bound; }
  int64_t number() { return static_cast<int64_t>(random_() % 100000); }
  double real() {
    const double sign = below(2) == 0 ? 1 : -1;
    return sign * std::ldexp(static_cast<double>(random_() >> 11), static_cast<int>(below(60)) - 70);
  }
  std::string text() {
    static const std::vector<std::string> parts = {"a", "\"", "\\",      "/",      "\n",  "\x01",
                                                   "é", "猫", "😀",       "\u2028", "<b>", "{}",
                                                   "'", " ",  "\\u0041", "\x7f"};
    std::string result;
    for (size_t i = below(6); i > 0; --i) result += parts[below(parts.size())];
    return result;
  }
  std::string json() {
    static const std::vector<std::string> values = {"null",
                                                    "true",
                                                    "false",
                                                    "0",
                                                    "-0.0",
                                                    "1.50",
                                                    "12345678901234567890123",
                                                    "1e-7",
                                                    "[]",
                                                    "{}",
                                                    R"([1, [2.0], {"a": null, "b": "\u00e9\ud83d\ude00"}])",
                                                    R"("")",
                                                    R"("a \"b\" \\ \n")"};
    return below(4) == 0 ? nlohmann::json(text()).dump() : values[below(values.size())];
  }
  /// Of these keys and others, each once.
  JsonFields fields(std::vector<std::string> keys) {
    JsonFields result;
    std::set<std::string> seen = {"", "id", "bbox", "name", "file_name"};
    for (size_t i = below(3); i > 0; --i) keys.push_back(text());
    for (const auto& key : keys) {
      if (below(2) == 0 && seen.insert(key).second) result.emplace_back(key, json());
    }
    return result;
  }
  std::vector<int64_t> ids() {
    constexpr int64_t kMost = std::numeric_limits<int64_t>::max(),
                      kLeast = std::numeric_limits<int64_t>::min();
    std::set<int64_t> unique;
    for (size_t i = below(5); i > 0; --i) {
      const int64_t step = number() % 50;
      unique.insert(below(3) == 0 ? kMost - step : below(2) == 0 ? kLeast + step : step);
    }
    std::vector<int64_t> result(unique.begin(), unique.end());
    std::ranges::shuffle(result, random_);
    return result;
  }

  std::mt19937_64 random_;
};

void expect_equal(const CocoFile& a, const CocoFile& b) {
  EXPECT_EQ(a.categories, b.categories);
  EXPECT_EQ(a.category_fields, b.category_fields);
  EXPECT_EQ(a.image_fields, b.image_fields);
  EXPECT_EQ(a.fields, b.fields);
  ASSERT_EQ(a.images.size(), b.images.size());
  for (size_t i = 0; i < a.images.size(); ++i) {
    EXPECT_EQ(a.images[i].id, b.images[i].id);
    EXPECT_EQ(a.images[i].file_name, b.images[i].file_name);
    EXPECT_EQ(a.images[i].size, b.images[i].size);
  }
  ASSERT_EQ(a.annotations.size(), b.annotations.size());
  ASSERT_EQ(a.details.size(), b.details.size());
  for (size_t i = 0; i < a.annotations.size(); ++i) {
    const auto &one = a.annotations[i], &other = b.annotations[i];
    EXPECT_EQ(one.id, other.id);
    EXPECT_EQ(one.image_id, other.image_id);
    EXPECT_EQ(one.category_id, other.category_id);
    EXPECT_EQ(one.box, other.box);
    EXPECT_EQ(one.area, other.area);
    EXPECT_EQ(one.crowd, other.crowd);
    EXPECT_EQ(a.details[i].segmentation, b.details[i].segmentation);
    EXPECT_EQ(a.details[i].attributes, b.details[i].attributes);
    EXPECT_EQ(a.details[i].others, b.details[i].others);
  }
}

TEST(CocoWrite, WhateverIsWrittenIsReadBack) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RandomFile random(seed);
  const TempFolder folder;
  const auto path = folder.path() / "gt.json";
  for (int i = 0; i < 50 && !testing::Test::HasFailure(); ++i) {
    const auto file = random.make();
    write_coco_file(path, file);
    EXPECT_TRUE(nlohmann::json::accept(file_bytes(path))) << file_bytes(path);
    Problems problems;
    auto back = read_coco_file(path, problems, {.with_details = true});
    EXPECT_TRUE(problems.kinds().empty())
        << problems.text(Severity::error) << problems.text(Severity::warning);
    expect_equal(back, file);
    const auto once = file_bytes(path);
    write_coco_file(path, back);
    EXPECT_EQ(file_bytes(path), once);
  }
}

constexpr const char* kDetailed = R"({
  "info": {"year": 2017, "description": "a"},
  "images": [{"id": 1, "file_name": "a.jpg", "license": 3, "date_captured": "2013"}],
  "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [1, 2, 2],
    "num_keypoints": 1, "score": 0.90, "attributes": {"occluded": false, "n": 3, "list": [1, null], "id": "x",
    "bbox": {"a": 1.0}, "car color": "red", "": null, "\u00e9": "\u00e9"}},
    {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "attributes": ["red", "small"]},
    {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "attributes": null, "iscrowd": 1}],
  "categories": [{"id": 1, "name": "cat", "supercategory": "pet", "keypoints": ["nose"], "skeleton": [[1, 1]]}],
  "licenses": []})";

TEST(CocoWrite, WhatDetectorsDoNotNeedIsKept) {
  const TempFolder folder;
  Problems problems;
  const auto file = read_coco_file(folder.write("gt.json", kDetailed), problems, {.with_details = true});
  EXPECT_TRUE(problems.kinds().empty()) << problems.text(Severity::warning);
  write_coco_file(folder.path() / "out.json", file);
  auto expected = nlohmann::json::parse(kDetailed);
  for (auto& annotation : expected["annotations"]) {
    annotation.emplace("area", 12);
    annotation.emplace("iscrowd", 0);
  }
  expected["annotations"][2].erase("attributes");
  EXPECT_EQ(nlohmann::json::parse(file_bytes(folder.path() / "out.json")), expected);
  EXPECT_THAT(file_bytes(folder.path() / "out.json"), HasSubstr("\"score\": 0.90"));
}

TEST(CocoWrite, WhatIsNoJsonIsNotKept) {
  const TempFolder folder;
  Problems problems;
  const auto file =
      read_coco_file(folder.write("gt.json", R"({"images": [{"id": 1, "file_name": "a.jpg", "license": 1,
    "license": 2}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": NaN,
    "segmentation": [[1,, 2]], "attributes": {"a": [tru], "b": 2, "b": 3, "c": 01, "d": "ok"}}],
    "categories": [{"id": 1, "name": "cat"}]})"),
                     problems, {.with_details = true});
  ASSERT_EQ(file.details.size(), 1u);
  EXPECT_EQ(file.details[0].attributes, (JsonFields{{"d", "\"ok\""}}));
  EXPECT_TRUE(file.details[0].others.empty());
  EXPECT_TRUE(file.details[0].segmentation.empty());
  EXPECT_TRUE(file.image_fields[0].empty());
  EXPECT_FALSE(problems.has(Severity::error));
  EXPECT_THAT(problems.text(Severity::warning),
              testing::AllOf(HasSubstr("dropped: a key is there twice: images[0].license, annotations[0].b"),
                             HasSubstr("dropped: a value is no JSON: "), HasSubstr("annotations[0].score"),
                             HasSubstr("annotations[0].segmentation"), HasSubstr("annotations[0].a"),
                             HasSubstr("annotations[0].c")));
}

TEST(CocoWrite, TextsThatAreNoUtf8AreRefused) {
  const TempFolder folder;
  const CocoFile file{.images = {{.id = 1, .file_name = "K\xfche.png", .size = {}}}};
  EXPECT_THAT(message_of<DataError>([&] { write_coco_file(folder.path() / "gt.json", file); }),
              HasSubstr("gt.json: \"K\\xfche.png\" is no UTF-8, which JSON is"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "gt.json"));
}

}  // namespace
}  // namespace rcnn::data
