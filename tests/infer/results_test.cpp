#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/error.h>
#include <rcnn/infer/results.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

const std::vector<Category> kCategories = {{.id = 3, .name = "cat"}, {.id = 17, .name = "dog"}};

Json written(const std::vector<ImageDetections>& images,
             const std::vector<Category>& categories = kCategories) {
  const TempFolder folder;
  write_results(folder.path() / "detections.json", images, categories);
  return Json::parse(file_bytes(folder.path() / "detections.json"));
}

TEST(Results, AreCocosWithNamesBesideTheNumbers) {
  const Detection dog{.box = {1.5f, 2, 11.5f, 22}, .score = 0.75f, .label = 2};
  const Detection cat{.box = {0, 0, 3, 4}, .score = 0.5f, .label = 1};
  EXPECT_EQ(written({{1, "street.jpg", {dog, cat}}, {2, "empty.png", {}}, {4, "yard.jpg", {cat}}}),
            Json::parse(R"([
      {"image_id": 1, "file_name": "street.jpg", "category_id": 17, "category_name": "dog",
       "bbox": [1.5, 2.0, 10.0, 20.0], "score": 0.75},
      {"image_id": 1, "file_name": "street.jpg", "category_id": 3, "category_name": "cat",
       "bbox": [0.0, 0.0, 3.0, 4.0], "score": 0.5},
      {"image_id": 4, "file_name": "yard.jpg", "category_id": 3, "category_name": "cat",
       "bbox": [0.0, 0.0, 3.0, 4.0], "score": 0.5}])"));
}

TEST(Results, OfNothingAreAnEmptyList) {
  EXPECT_EQ(written({}), Json::array());
  EXPECT_EQ(written({{1, "empty.png", {}}}), Json::array());
}

TEST(Results, OddNamesStayReadable) {
  const auto name = [](const std::string& file, const std::string& category) {
    const Json results =
        written({{1, file, {{.box = {}, .score = 1, .label = 1}}}}, {{.id = 1, .name = category}});
    return std::pair(results[0].at("file_name").get<std::string>(),
                     results[0].at("category_name").get<std::string>());
  };
  const std::string odd = "a \"b\"\\c\n\t\x01 é.jpg";
  EXPECT_EQ(name(odd, odd), std::pair(odd, odd));
  EXPECT_EQ(name("b\xff.jpg", "caf\xe9"), std::pair(std::string("b\uFFFD.jpg"), std::string("caf\uFFFD")));
}

TEST(ResultsTable, HasALineForEachDetection) {
  const TempFolder folder;
  const auto file = folder.path() / "detections.csv";
  const Detection dog{.box = {1.5f, 2, 11.5f, 22}, .score = 0.75f, .label = 2};
  const Detection cat{.box = {0, 0, 0.1f, 4}, .score = 0.1f, .label = 1};
  write_csv(file, {{1, "street.jpg", {dog, cat}}, {2, "empty.png", {}}}, kCategories);
  EXPECT_EQ(file_bytes(file),
            "file_name,class,class_id,score,x1,y1,x2,y2\n"
            "street.jpg,dog,17,0.75,1.5,2,11.5,22\n"
            "street.jpg,cat,3,0.1,0,0,0.1,4\n");
  write_csv(file, {}, kCategories);
  EXPECT_EQ(file_bytes(file), "file_name,class,class_id,score,x1,y1,x2,y2\n");
}

TEST(ResultsTable, QuotesWhatNeedsIt) {
  const TempFolder folder;
  const auto file = folder.path() / "detections.csv";
  write_csv(file, {{1, "a \"b\",c\n.jpg", {{.box = {}, .score = 1, .label = 1}}}},
            {{.id = 1, .name = "x,y"}});
  EXPECT_EQ(file_bytes(file),
            "file_name,class,class_id,score,x1,y1,x2,y2\n"
            "\"a \"\"b\"\",c\n.jpg\",\"x,y\",1,1,0,0,0,0\n");
}

/// Images of which some have nothing.
std::vector<ImageDetections> some_images() {
  const Detection dog{.box = {1.5f, 2, 11.5f, 22}, .score = 0.75f, .label = 2};
  const Detection cat{.box = {0, 0, 0.1f, 4}, .score = 0.1f, .label = 1};
  return {
      {1, "empty.png", {}}, {2, "a \"b\",\xff.jpg", {dog, cat}}, {4, "yard.jpg", {cat}}, {5, "none.png", {}}};
}

TEST(ResultsFile, IsAWholeListAfterEachImageAndTheSameBytesAtTheEnd) {
  const TempFolder folder;
  const auto list = folder.path() / "list.json", table = folder.path() / "table.csv",
             whole = folder.path() / "whole";
  ResultsFile json(list, ResultsFile::Form::json, kCategories),
      csv(table, ResultsFile::Form::csv, kCategories);
  std::vector<ImageDetections> added;
  for (const auto& image : some_images()) {
    added.push_back(image);
    json.add(image);
    csv.add(image);
    write_results(whole, added, kCategories);
    EXPECT_EQ(file_bytes(list), file_bytes(whole));
    EXPECT_NO_THROW(Json::parse(file_bytes(list)));
    write_csv(whole, added, kCategories);
    EXPECT_EQ(file_bytes(table), file_bytes(whole));
  }
  json.finish();
  csv.finish();
  EXPECT_EQ(Json::parse(file_bytes(list)).size(), 3u);
  fs::remove(whole);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 2);
}

TEST(ResultsFile, AnOlderListStaysUntilTheFirstImage) {
  const TempFolder folder;
  const auto list = folder.write("list.json", "an earlier run");
  { const ResultsFile given_up(list, ResultsFile::Form::json, kCategories); }
  EXPECT_EQ(file_bytes(list), "an earlier run");
  ResultsFile file(list, ResultsFile::Form::json, kCategories);
  EXPECT_EQ(file_bytes(list), "an earlier run");
  file.add({1, "empty.png", {}});
  EXPECT_EQ(file_bytes(list), "[]\n");
  ResultsFile of_nothing(list, ResultsFile::Form::csv, kCategories);
  of_nothing.finish();
  EXPECT_EQ(file_bytes(list), "file_name,class,class_id,score,x1,y1,x2,y2\n");
}

TEST(Results, ADiskThatRefusesIsADataError) {
  const TempFolder folder;
  const auto file = folder.path() / "nowhere" / "detections.json";
  EXPECT_THAT(message_of<DataError>([&] { write_results(file, {}, kCategories); }), HasSubstr(file.string()));
  EXPECT_THAT(message_of<DataError>([&] { ResultsFile(file, ResultsFile::Form::json, kCategories); }),
              HasSubstr(file.string()));
}

}  // namespace
}  // namespace rcnn
