#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/result_ids.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const CocoFile kPets{.images = {{700, "day/a.jpg", {}}, {5, "day/b.jpg", {}}, {6, "night/b.jpg", {}}},
                     .annotations = {},
                     .categories = {{90, "cat"}, {3, "dog"}},
                     .details = {}};

std::vector<std::pair<int64_t, int64_t>> ids_with(std::vector<CocoResult> results,
                                                  const CocoResultNames& names) {
  std::vector<std::pair<int64_t, int64_t>> ids;
  for (const auto& result : with_ids_of(kPets, std::move(results), names, "dt.json")) {
    ids.emplace_back(result.image_id, result.category_id);
  }
  return ids;
}

using Ids = std::vector<std::pair<int64_t, int64_t>>;

TEST(ResultIds, StayWithoutNames) {
  EXPECT_EQ(ids_with({{700, 3}, {5, 90}, {5, 4}}, {}), (Ids{{700, 3}, {5, 90}})) << "there is no category 4";
}

TEST(ResultIds, NamesDecideWhereIdsAreOthers) {
  EXPECT_EQ(ids_with({{1, 1}, {1, 2}, {5, 3}}, {.files = {{1, "a.jpg"}, {5, "b.jpg"}},
                                                .categories = {{1, "cat"}, {2, "bird"}, {3, "dog"}}}),
            (Ids{{700, 90}, {5, 3}}));
}

TEST(ResultIds, AnImageThatIsNotThereIsAnError) {
  const auto message = [](const std::vector<CocoResult>& results, const CocoResultNames& names) {
    return message_of<DataError>([&] { with_ids_of(kPets, results, names, "dt.json"); });
  };
  EXPECT_THAT(message({{1, 90}}, {}), AllOf(HasSubstr("dt.json"), HasSubstr("image 1,")));
  EXPECT_THAT(message({{700, 90}}, {.files = {{700, "c.jpg"}}, .categories = {}}),
              HasSubstr("image 700 (c.jpg)"));
  EXPECT_THAT(message({{1, 90}}, {.files = {{1, "b.jpg"}}, .categories = {}}), HasSubstr("b.jpg"))
      << "two have this name";
}

TEST(ResultNames, AreReadWhereTheyAre) {
  const TempFolder temp;
  const auto file = temp.write("dt.json", R"([
    {"image_id": 1, "file_name": "a \"1\".jpg", "category_id": 2, "category_name": "cat", "bbox": [0, 0, 1, 1], "score": 1},
    {"image_id": 1, "file_name": "other.jpg", "category_id": 3, "bbox": [0, 0, 1, 1], "score": 1},
    {"image_id": 4, "category_id": 2, "category_name": "dog", "bbox": [0, 0, 1, 1], "score": 1}])");
  const auto names = read_coco_result_names(file);
  EXPECT_EQ(names.files, (std::map<int64_t, std::string>{{1, "a \"1\".jpg"}}));
  EXPECT_EQ(names.categories, (std::map<int64_t, std::string>{{2, "cat"}}));
  EXPECT_THAT(message_of<DataError>([&] { read_coco_result_names(temp.write("x.json", "{}")); }),
              HasSubstr("no list of results"));
}

}  // namespace
}  // namespace rcnn::data
