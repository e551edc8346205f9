#include "data/formats/coco/coco_classes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Entry {
  int64_t id;
  std::string name, supercategory;
};

/// The ids of the classes; `objects` are the categories of objects.
std::vector<int64_t> classes_of(const std::vector<Entry>& entries, const std::vector<int64_t>& objects,
                                Problems& problems) {
  CocoFile file;
  std::vector<std::string> supercategories;
  for (const auto& [id, name, supercategory] : entries) {
    file.categories.push_back({id, name});
    file.category_fields.push_back({{"id", std::to_string(id)}});
    supercategories.push_back(supercategory);
  }
  for (const auto category : objects) {
    file.annotations.push_back(
        {.id = std::ssize(file.annotations) + 1, .image_id = 1, .category_id = category});
  }
  choose_classes(file, supercategories, true, problems);
  std::vector<int64_t> ids;
  for (size_t i = 0; i < file.categories.size(); ++i) {
    ids.push_back(file.categories[i].id);
    EXPECT_EQ(file.category_fields.at(i).at(0).second, std::to_string(ids.back()));
  }
  return ids;
}

TEST(CocoClasses, AParentWithoutObjectsIsNone) {
  Problems problems;
  EXPECT_THAT(classes_of({{0, "pets", "none"}, {1, "cat", "pets"}, {2, "dog", "pets"}}, {1, 2}, problems),
              ElementsAre(1, 2));
  EXPECT_THAT(problems.text(Severity::warning),
              HasSubstr("a category that groups others and has no object is no class: pets (id 0)"));
  EXPECT_FALSE(problems.has(Severity::error));
}

TEST(CocoClasses, AParentMayHaveAClasssName) {
  for (const auto& objects : std::vector<std::vector<int64_t>>{{1, 2}, {2}, {}}) {
    for (const bool parent_last : {false, true}) {
      std::vector<Entry> entries = {{0, "cat", "none"}, {1, "cat", "cat"}, {2, "dog", "cat"}};
      if (parent_last) std::ranges::rotate(entries, entries.begin() + 1);
      Problems problems;
      EXPECT_THAT(classes_of(entries, objects, problems), ElementsAre(1, 2));
      EXPECT_FALSE(problems.has(Severity::error)) << problems.text(Severity::error);
    }
  }
}

TEST(CocoClasses, ThoseWithObjectsStay) {
  Problems problems;
  EXPECT_THAT(classes_of({{0, "pets", "none"}, {1, "cat", "pets"}}, {0, 1}, problems), ElementsAre(0, 1));
  // COCO's person is its own supercategory.
  EXPECT_THAT(classes_of({{1, "person", "person"}, {2, "bicycle", "vehicle"}}, {}, problems),
              ElementsAre(1, 2));
  // Classes of which none is above another.
  EXPECT_THAT(classes_of({{0, "cat", "none"}, {1, "dog", "none"}}, {1}, problems), ElementsAre(0, 1));
  EXPECT_THAT(classes_of({{0, "cat", "none"}}, {}, problems), ElementsAre(0));
  EXPECT_TRUE(problems.kinds().empty()) << problems.text(Severity::warning);
  EXPECT_THAT(classes_of({{0, "all", "none"}, {1, "dog", ""}}, {1}, problems), ElementsAre(1));
}

TEST(CocoClasses, EachHasANameOfItsOwn) {
  Problems problems;
  EXPECT_THAT(classes_of({{5, "cat", ""}, {6, "cat", ""}, {7, "dog", ""}}, {6, 7}, problems),
              ElementsAre(6, 7));
  EXPECT_THAT(problems.text(Severity::warning),
              HasSubstr("a category without objects has the name of another, and is left out: cat (id 5)"));
  EXPECT_THAT(classes_of({{5, "cat", ""}, {6, "cat", ""}}, {}, problems), ElementsAre(5));
  EXPECT_FALSE(problems.has(Severity::error));

  EXPECT_THAT(classes_of({{5, "cat", ""}, {6, "cat", ""}, {7, "dog", ""}}, {5, 6, 7, 6}, problems),
              ElementsAre(5, 7));
  ASSERT_TRUE(problems.has(Severity::error));
  EXPECT_EQ(problems.text(Severity::error), "\n  two categories have the same name: cat (5 and 6)");
}

}  // namespace
}  // namespace rcnn::data
