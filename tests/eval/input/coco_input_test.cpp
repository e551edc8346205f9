#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/error.h>
#include <rcnn/eval/input/coco_input.h>

#include "tests/support/message_of.h"

namespace rcnn::eval {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr CocoInputOptions kFiles() {
  return {.annotations = "gt.json", .results = "dt.json"};
}

/// A result with names beside its ids; "" for none.
struct Named {
  int64_t image_id = 0;
  std::string image;
  int64_t category_id = 1;
  std::string category = {};
};

CocoResults results_of(const std::vector<Named>& list) {
  CocoResults results;
  const auto add = [](CocoNames& names, const std::string& name) {
    if (name.empty()) return names.of_results.push_back(CocoNames::kNone);
    const auto known = std::ranges::find(names.names, name);
    names.of_results.push_back(static_cast<int32_t>(known - names.names.begin()));
    if (known == names.names.end()) names.names.push_back(name);
  };
  for (const auto& named : list) {
    results.detections.push_back({named.image_id, named.category_id, {1, 2, 30, 40}, 0.9});
    add(results.images, named.image);
    add(results.categories, named.category);
  }
  return results;
}

/// An object on each of these images, which have the ids 10, 20 ...
CocoAnnotations annotations_of(const std::vector<std::string>& images) {
  CocoAnnotations annotations{.images = {}, .categories = {{2, "dog"}, {1, "cat"}}, .truths = {}};
  for (const auto& name : images) {
    const auto count = std::ssize(annotations.images) + 1;
    annotations.images.push_back({10 * count, name, {100, 100}});
    annotations.truths.push_back(
        {.image_id = 10 * count, .category_id = 1, .box = {1, 2, 30, 40}, .area = 1200, .id = count});
  }
  return annotations;
}

CocoInput join(const std::vector<std::string>& images, const std::vector<Named>& results) {
  return coco_input(annotations_of(images), results_of(results), kFiles());
}

std::vector<int64_t> images_of(const CocoInput& input) {
  std::vector<int64_t> ids;
  for (const auto& detection : input.detections) ids.push_back(detection.image_id);
  return ids;
}

std::string refused(const std::vector<std::string>& images, const std::vector<Named>& results) {
  const auto message = message_of<DataError>([&] { join(images, results); });
  EXPECT_THAT(message, AllOf(HasSubstr("dt.json"), HasSubstr("gt.json")));
  return message;
}

TEST(CocoInput, IsSortedAndComplete) {
  const auto input = join({"a.jpg", "b.jpg"}, {{20, ""}, {10, ""}});
  EXPECT_THAT(input.image_ids, ElementsAre(10, 20));
  EXPECT_THAT(input.categories, ElementsAre(Category{1, "cat"}, Category{2, "dog"}));
  EXPECT_EQ(input.truths.size(), 2u);
  EXPECT_THAT(images_of(input), ElementsAre(20, 10)) << "in the order of the list";
  EXPECT_THAT(input.warnings, IsEmpty());
  EXPECT_THAT(input.incomparable, IsEmpty());
}

TEST(CocoInput, IdsThatFitTheirNamesStay) {
  for (const auto* name : {"a.jpg", "train/a.jpg", "/home/me/train/a.jpg", ".\\train\\a.jpg"}) {
    const auto input = join({"train/a.jpg", "train/b.jpg"}, {{10, name}, {20, "b.jpg"}});
    EXPECT_THAT(images_of(input), ElementsAre(10, 20)) << name;
    EXPECT_THAT(input.warnings, IsEmpty()) << name;
  }
  // Flat names that several images have say nothing against the ids.
  EXPECT_THAT(images_of(join({"cam1/1.png", "cam2/1.png"}, {{20, "1.png"}, {10, "1.png"}})),
              ElementsAre(20, 10));
  // One with a name, the other without.
  EXPECT_THAT(images_of(join({"a.jpg", "b.jpg"}, {{10, "a.jpg"}, {20, ""}})), ElementsAre(10, 20));
}

TEST(CocoInput, AllAreJoinedByNameWhenOneDoesNotFit) {
  const auto swapped = join({"a.jpg", "b.jpg"}, {{10, "b.jpg"}, {20, "a.jpg"}, {20, "a.jpg"}});
  EXPECT_THAT(images_of(swapped), ElementsAre(20, 10, 10));
  EXPECT_THAT(swapped.warnings, ElementsAre(AllOf(HasSubstr("3 of 3 results"),
                                                  HasSubstr("b.jpg is image 20 there and 10 here"))));
  const auto counted_from_0 = join({"x/a.jpg", "x/b.jpg"}, {{0, "a.jpg"}, {1, "b.jpg"}});
  EXPECT_THAT(images_of(counted_from_0), ElementsAre(10, 20));
  const auto some = join({"a.jpg", "b.jpg"}, {{10, "a.jpg"}, {7, "b.jpg"}});
  EXPECT_THAT(images_of(some), ElementsAre(10, 20));
  EXPECT_THAT(some.warnings, ElementsAre(HasSubstr("1 of 2 results")));
  // The folders decide; the id of the second list starts anew.
  const auto folders = join({"cam1/1.png", "cam2/1.png"}, {{10, "cam2/1.png"}, {20, "/set/cam1/1.png"}});
  EXPECT_THAT(images_of(folders), ElementsAre(20, 10));
  const auto joined_lists = join({"cam1/1.png", "cam2/1.png"}, {{10, "cam1/1.png"}, {10, "cam2/1.png"}});
  EXPECT_THAT(images_of(joined_lists), ElementsAre(10, 20));
}

TEST(CocoInput, AFolderThatDiffersIsSaid) {
  const auto input = join({"train2017/a.jpg"}, {{10, "photos/a.jpg"}});
  EXPECT_THAT(images_of(input), ElementsAre(10));
  EXPECT_THAT(input.warnings, ElementsAre(HasSubstr("photos/a.jpg is taken for train2017/a.jpg")));
}

TEST(CocoInput, NamesThatCouldBeSeveralImagesAreRefused) {
  EXPECT_THAT(
      refused({"cam1/1.png", "cam2/1.png"}, {{7, "1.png"}}),
      AllOf(HasSubstr("1.png could be"), HasSubstr("cam1/1.png (image 10)"), HasSubstr("cam2/1.png")));
  EXPECT_THAT(refused({"a.jpg", "a.jpg"}, {{7, "a.jpg"}}), HasSubstr("could be a.jpg (image 10) or a.jpg"));
  // Two cameras in the results, one in the annotations: with ids that fit, too.
  for (const int64_t second : {30, 10}) {
    EXPECT_THAT(refused({"1.png"}, {{10, "cam1/1.png"}, {second, "cam2/1.png"}}),
                AllOf(HasSubstr("cam1/1.png and cam2/1.png would both be 1.png (image 10)")));
  }
  EXPECT_THAT(refused({"1.png", "cam1/1.png"}, {{10, "1.png"}, {20, "1.png"}}),
              HasSubstr("1.png is the name of the images 10 and 20"));
}

TEST(CocoInput, WhatIsOnNoImageIsRefused) {
  EXPECT_THAT(refused({"a.jpg"}, {{10, ""}, {6, ""}, {6, ""}}),
              AllOf(HasSubstr("2 of 3 results"), HasSubstr("image 6 (2)")));
  EXPECT_THAT(refused({"a.jpg"}, {{10, "z.jpg"}, {20, "a.jpg"}}),
              AllOf(HasSubstr("1 of 2 results"), HasSubstr("z.jpg (1)")));
  EXPECT_THAT(refused({"a.jpg", "b.jpg"}, {{10, "b.jpg"}, {20, ""}}),
              HasSubstr("1 of 2 results have no file_name"));
}

TEST(CocoInput, CategoriesAreJoinedAsImagesAre) {
  const auto ids = [](const std::vector<Named>& results) {
    std::vector<int64_t> ids;
    for (const auto& detection : join({"a.jpg"}, results).detections) ids.push_back(detection.category_id);
    return ids;
  };
  EXPECT_THAT(ids({{10, "", 1, "cat"}, {10, "", 2, "dog"}, {10, "", 2, ""}}), ElementsAre(1, 2, 2));
  EXPECT_THAT(ids({{10, "", 2, "cat"}, {10, "", 1, "dog"}}), ElementsAre(1, 2));
  EXPECT_THAT(ids({{10, "", 0, "cat"}, {10, "", 1, "dog"}}), ElementsAre(1, 2));
  EXPECT_THAT(
      join({"a.jpg"}, {{10, "", 0, "cat"}, {10, "", 2, "dog"}}).warnings,
      ElementsAre(AllOf(HasSubstr("1 of 2 results"), HasSubstr("cat is category 1 there and 0 here"))));
  EXPECT_THAT(refused({"a.jpg"}, {{10, "", 2, "cat"}, {10, "", 1, ""}}), HasSubstr("have no category_name"));
}

TEST(CocoInput, ResultsOfOtherCategoriesAreLeftOutAndCounted) {
  const auto input =
      join({"a.jpg"}, {{10, "", 1, "cat"}, {10, "", 3, "bird"}, {10, "", 2, "bird"}, {10, "", 77, "cow"}});
  EXPECT_EQ(input.detections.size(), 1u);
  EXPECT_THAT(input.warnings,
              ElementsAre(AllOf(HasSubstr("3 of 4 results"), HasSubstr("bird (2), cow (1)"))));
  EXPECT_THAT(join({"a.jpg"}, {{10, "", 1}, {10, "", 77}}).warnings,
              ElementsAre(AllOf(HasSubstr("1 of 2 results"), HasSubstr("category 77 (1)"))));
  EXPECT_THAT(refused({"a.jpg"}, {{10, "", 77}, {10, "", 0}}),
              AllOf(HasSubstr("none of the 2 results"), HasSubstr("category 77"), HasSubstr("1 cat")));
  EXPECT_THAT(refused({"a.jpg"}, {{10, "", 1, "Cat"}}), AllOf(HasSubstr("Cat (1)"), HasSubstr("1 cat")));
}

TEST(CocoInput, ProposalsAreOfNoCategory) {
  auto options = kFiles();
  options.by_category = false;
  auto annotations = annotations_of({"a.jpg"});
  annotations.truths[0].category_id = 99;
  const auto input = coco_input(annotations, results_of({{10, "", 77, "object"}}), options);
  EXPECT_EQ(input.detections.size(), 1u);
  EXPECT_EQ(input.truths.size(), 1u);
  EXPECT_THAT(input.warnings, IsEmpty());
}

/// One thing changed in annotations and results that are good.
CocoInput with(const std::function<void(CocoAnnotations&, CocoResults&)>& change) {
  auto annotations = annotations_of({"a.jpg", "b.jpg"});
  auto results = results_of({{10, ""}, {20, ""}});
  change(annotations, results);
  return coco_input(std::move(annotations), std::move(results), kFiles());
}

TEST(CocoInput, WhatTheAnnotationsDoNotListIsLeftOutAndCounted) {
  const auto image = with([](auto& annotations, auto&) { annotations.truths[1].image_id = 5; });
  EXPECT_EQ(image.truths.size(), 1u);
  EXPECT_THAT(image.warnings, ElementsAre(AllOf(HasSubstr("1 of 2 annotations"), HasSubstr("image 5 (1)"))));
  EXPECT_THAT(image.incomparable, ElementsAre(HasSubstr("images that are not listed")));
  const auto category = with([](auto& annotations, auto&) { annotations.truths[1].category_id = 5; });
  EXPECT_EQ(category.truths.size(), 1u);
  EXPECT_THAT(category.warnings,
              ElementsAre(AllOf(HasSubstr("1 of 2 annotations"), HasSubstr("category 5"))));
  EXPECT_THAT(category.incomparable, ElementsAre(HasSubstr("categories that are not listed")));
}

TEST(CocoInput, AnnotationsThatCannotBeScoredAreRefused) {
  const auto error = [](const std::function<void(CocoAnnotations&, CocoResults&)>& change) {
    return message_of<DataError>([&] { with(change); });
  };
  EXPECT_THAT(error([](auto& a, auto&) { a.images.clear(); }), HasSubstr("gt.json: lists no image"));
  EXPECT_THAT(error([](auto& a, auto&) { a.categories.clear(); }), HasSubstr("gt.json: lists no category"));
  EXPECT_THAT(error([](auto& a, auto&) { a.images[1].id = 10; }), HasSubstr("image 10 is listed twice"));
  EXPECT_THAT(error([](auto& a, auto&) { a.categories[0].id = 1; }), HasSubstr("category 1 is listed twice"));
}

TEST(CocoInput, OddObjectsAreCounted) {
  const auto warnings = [](const std::function<void(CocoAnnotations&, CocoResults&)>& change) {
    return with(change).warnings;
  };
  EXPECT_THAT(warnings([](auto& a, auto&) { a.truths[0].id = 0; }),
              ElementsAre(AllOf(HasSubstr("1 of 2 annotations have the id 0"))));
  EXPECT_THAT(warnings([](auto& a, auto&) { a.truths[0].box[2] = 0; }),
              ElementsAre(HasSubstr("1 of 2 annotations have no width or no height")));
  EXPECT_THAT(warnings([](auto&, auto& r) { r.detections[0].box[3] = -4; }),
              ElementsAre(HasSubstr("1 of 2 results have no width or no height")));
  EXPECT_THAT(warnings([](auto&, auto& r) {
                r.detections[0].box = {60, 10, 70, 20};
              }),
              ElementsAre(HasSubstr("1 of 2 results reach out of their images")));
  EXPECT_THAT(warnings([](auto& a, auto& r) {
                a.truths.clear();
                r.detections.clear();
              }),
              ElementsAre(HasSubstr("no object"), HasSubstr("no result")));
  const auto names = with([](auto& a, auto&) { a.categories[0].name = "cat"; });
  EXPECT_THAT(names.categories, ElementsAre(Category{1, "cat (id 1)"}, Category{2, "cat (id 2)"}));
  EXPECT_THAT(names.warnings, ElementsAre(HasSubstr("same name")));
}

TEST(CocoInput, BoxesInSharesOfTheImageAreSaid) {
  const auto shares = [](auto& items) {
    for (auto& item : items)
      for (auto& side : item.box) side /= 100;
  };
  EXPECT_THAT(with([&](auto&, auto& r) { shares(r.detections); }).warnings,
              ElementsAre(HasSubstr("all 2 results are thinner than a pixel")));
  EXPECT_THAT(with([&](auto& a, auto&) { shares(a.truths); }).warnings,
              ElementsAre(HasSubstr("all 2 annotations are thinner than a pixel")));
}

TEST(CocoInput, CornersInPlaceOfSizesAreSaid) {
  const auto corners = [](auto& items) {
    for (auto& item : items) {
      item.box[2] += item.box[0];
      item.box[3] += item.box[1];
    }
  };
  const auto inner = [](auto& items) {
    for (auto& item : items) item.box = {20, 30, 40, 50};
  };
  EXPECT_THAT(
      with([&](auto& a, auto& r) {
        inner(a.truths);
        inner(r.detections);
        corners(r.detections);
      }).warnings,
      ElementsAre(AllOf(HasSubstr("boxes of the results look like [x1, y1, x2, y2]"), HasSubstr("1.00"))));
  EXPECT_THAT(with([&](auto& a, auto& r) {
                inner(a.truths);
                inner(r.detections);
                corners(a.truths);
              }).warnings,
              ElementsAre(HasSubstr("boxes of the annotations look like")));
}

TEST(CocoInput, MoreThanIsScoredIsCounted) {
  auto annotations = annotations_of({"a.jpg", "b.jpg"});
  annotations.truths.assign(130, annotations.truths[1]);
  annotations.truths[0].category_id = 2;
  annotations.truths[1].crowd = true;
  for (size_t i = 0; i < annotations.truths.size(); ++i)
    annotations.truths[i].id = static_cast<int64_t>(i) + 1;
  auto results = results_of(std::vector<Named>(103, {20, ""}));
  results.detections[0].category_id = 2;
  const auto warnings = coco_input(annotations, results, kFiles()).warnings;
  EXPECT_THAT(warnings, ElementsAre(AllOf(HasSubstr("28 of 130 objects"), HasSubstr("128 of cat on b.jpg")),
                                    AllOf(HasSubstr("2 of 103 results"), HasSubstr("102 of cat on b.jpg"))));
  auto options = kFiles();
  options.max_detections = 128;
  EXPECT_THAT(coco_input(annotations, results, options).warnings, IsEmpty());
}

}  // namespace
}  // namespace rcnn::eval
