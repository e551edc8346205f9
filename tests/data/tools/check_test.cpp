#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/data/tools/check.h>

#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class CheckTest : public testing::Test {
 protected:
  void picture(const std::string& name, int64_t height = 10, int64_t width = 20) {
    const auto file = folder_.write(name, "");
    write_image(file, at::randint(0, 256, {height, width, 3}, at::kByte));
  }
  DatasetPart coco(const std::string& images, const std::string& annotations) {
    const auto file =
        folder_.write("gt.json", R"({"images": [)" + images + R"(], "annotations": [)" + annotations +
                                     R"(], "categories": [{"id": 1, "name": "cat"}]})");
    return {
        .name = "gt", .options = {.type = "coco"}, .split = {.annotations = file, .images = folder_.path()}};
  }
  std::string box(int id, int image, const std::string& sides) {
    return R"({"id": )" + std::to_string(id) + R"(, "image_id": )" + std::to_string(image) +
           R"(, "category_id": 1, "bbox": )" + sides + "}";
  }
  /// All but that there are few objects, which is so in all of these sets.
  static std::vector<std::string> kinds_of(const Problems& problems) {
    std::vector<std::string> kinds;
    for (const auto& kind : problems.kinds()) {
      if (kind.what != "a class of fewer than five objects") kinds.push_back(kind.what);
    }
    return kinds;
  }
  TempFolder folder_;
};

TEST_F(CheckTest, CountsWhatIsThere) {
  picture("a.jpg");
  picture("b.jpg");
  const auto result = check(coco(R"({"id": 1, "file_name": "a.jpg", "height": 10, "width": 20},
                                    {"id": 2, "file_name": "b.jpg", "height": 10, "width": 20})",
                                 box(1, 1, "[0, 0, 8, 2]") + "," + box(2, 1, "[1, 1, 3, 3]")));
  EXPECT_THAT(kinds_of(result.problems), IsEmpty());
  EXPECT_THAT(result.problems.text(Severity::warning), HasSubstr("fewer than five objects: cat (2)"));
  EXPECT_EQ(result.images, 2);
  EXPECT_EQ(result.empty_images, 1);
  EXPECT_EQ(result.classes.back().boxes, 2);
  EXPECT_EQ(result.sizes.counts, (std::vector<int64_t>{1, 1, 0, 0, 0, 0, 0, 0, 0})) << "3 and 4";
  EXPECT_EQ(result.ratios.counts, (std::vector<int64_t>{0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0})) << "1 and 4";
  EXPECT_TRUE(std::isinf(result.sizes.edges.back()));
}

TEST_F(CheckTest, StoredProposalsAreCheckedAndCounted) {
  picture("a.jpg");
  picture("b.jpg");
  auto part =
      coco(R"({"id": 1, "file_name": "a.jpg", "height": 10, "width": 20},
                      {"id": 2, "file_name": "b.jpg", "height": 10, "width": 20})",
           box(1, 1, "[0, 0, 8, 4]") + "," + box(2, 1, "[10, 0, 8, 4]") + "," + box(3, 2, "[1, 1, 3, 3]"));
  EXPECT_FALSE(check(part).proposals);
  const auto proposals = [&](std::vector<ImageProposals> images) {
    part.split.proposals = folder_.path() / "p.json";
    write_proposals(part.split.proposals, {.images = std::move(images)});
    return check(part);
  };
  // Half of the first object is covered, less than half of the second.
  const auto good = proposals({{.id = "1", .boxes = {{0, 0, 4, 4}, {10, 0, 13, 4}}}, {.id = "2"}});
  EXPECT_FALSE(good.problems.has(Severity::error));
  EXPECT_THAT(good.problems.text(Severity::warning), HasSubstr("an image without proposals: 2"));
  ASSERT_TRUE(good.proposals);
  EXPECT_EQ(good.proposals->file, part.split.proposals);
  EXPECT_EQ(good.proposals->boxes, 2);
  EXPECT_EQ(good.proposals->most, 2);
  EXPECT_EQ(good.proposals->empty_images, 1);
  EXPECT_EQ(good.proposals->objects, 3);
  EXPECT_EQ(good.proposals->covered, 1);

  const auto bad = proposals({{.id = "1", .boxes = {{0, 0, 40, 4}}}});
  EXPECT_THAT(bad.problems.text(Severity::error),
              AllOf(HasSubstr("reach beyond their images"), HasSubstr("images without an entry")));
  folder_.write("p.json", "no list");
  const auto none = check(part);
  EXPECT_THAT(none.problems.text(Severity::error), HasSubstr("is no file of proposals"));
  EXPECT_FALSE(none.proposals);
  EXPECT_EQ(none.images, 2);
}

TEST_F(CheckTest, EverythingOddIsSaidAtOnce) {
  picture("a.jpg");
  picture("long.png", 2, 40);
  const auto result = check(coco(R"({"id": 1, "file_name": "a.jpg", "height": 10, "width": 20},
                                    {"id": 2, "file_name": "long.png", "height": 2, "width": 40},
                                    {"id": 3, "file_name": "none.jpg"}, {"id": 4.5, "file_name": "a.jpg"})",
                                 box(1, 1, "[0, 0, 8, 2]") + "," + box(2, 1, "[0, 0, 8, 2]") + "," +
                                     box(3, 1, "[0, 0, 0, 2]") + "," + box(4, 9, "[0, 0, 1, 2]")));
  EXPECT_THAT(result.problems.text(Severity::error),
              AllOf(HasSubstr("none.jpg"), HasSubstr("id must be an integer of 64 bits: images[3] (4.5)"),
                    HasSubstr("annotation 4 (image 9)")));
  EXPECT_THAT(
      result.problems.text(Severity::warning),
      AllOf(HasSubstr("there twice: cat on a.jpg"), HasSubstr("without width or height: annotation 3"),
            HasSubstr("ten times as long as wide"), HasSubstr("long.png (40 x 2)")));
}

/// One way in which an instances file can be wrong: what of it is replaced, and what is said of that.
struct Row {
  std::string from, to;
  Severity severity;
  std::string said;
};

TEST_F(CheckTest, EveryRowOfTheCatalogueIsSaid) {
  constexpr auto kError = Severity::error, kWarning = Severity::warning;
  const std::string good = R"({"images": [{"id": 1, "file_name": "a.jpg", "height": 10, "width": 20}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 5, 5], "iscrowd": 0},
                    {"id": 2, "image_id": 1, "category_id": 7, "bbox": [1, 2, 4, 4]}],
    "categories": [{"id": 7, "name": "cat"}]})";
  picture("a.jpg");
  std::filesystem::create_directory(folder_.path() / "folder.jpg");
  folder_.write("empty.jpg", "");
  folder_.write("text.jpg", "text");
  const std::vector<Row> rows = {
      {"\"images\"", "\"imgs\"", kError, "a list is missing: images"},
      {"\"annotations\"", "\"anns\"", kError, "a list is missing: annotations"},
      {"\"categories\"", "\"classes\"", kError, "a list is missing: categories"},
      {"{\"id\": 2,", "{\"id\": 1,", kError, "an id is there a second time: annotations[1] (id 1)"},
      {"[{\"id\": 7", "[{\"id\": 7, \"name\": \"dog\"}, {\"id\": 7", kError,
       "a second time: categories[1] (id 7)"},
      {"\"image_id\": 1", "\"image_id\": 9", kError, "not in \"images\": annotation 1 (image 9)"},
      {"\"category_id\": 7", "\"category_id\": 9", kError,
       "not in \"categories\": annotation 1 (category 9)"},
      {"\"image_id\": 1", "\"image_id\": \"1\"", kWarning,
       "a number is written as a text: annotations[0].image_id (\"1\")"},
      {"\"image_id\": 1", "\"image_id\": 1.5", kError, "image_id must be an integer of 64 bits"},
      {"\"image_id\": 1", "\"image_id\": true", kError, "image_id must be an integer of 64 bits"},
      {"\"image_id\": 1", "\"image_id\": 99999999999999999999", kError,
       "image_id must be an integer of 64 bits"},
      {"[1, 2, 5, 5]", "[1, 2, 5]", kWarning,
       "dropped: a box has 3 numbers, not four: annotations[0] ([1, 2, 5])"},
      {"[1, 2, 5, 5]", "[1, NaN, 5, 5]", kWarning, "dropped: a box must have four numbers: annotations[0]"},
      {"[1, 2, 5, 5]", "[1, 2, -5, 5]", kWarning, "without width or height: annotation 1 [1, 2, -5, 5]"},
      {"[1, 2, 5, 5]", "[1, 2, 0, 5]", kWarning, "without width or height: annotation 1"},
      {"[1, 2, 5, 5]", "[1, 2, 0.5, 5]", kWarning, "a box thinner than a pixel: annotation 1"},
      {"[1, 2, 5, 5]", "[20, 2, 5, 5]", kWarning, "a box outside of its image: annotation 1"},
      {"[1, 2, 5, 5]", "[-9, -9, 99, 99]", kWarning, "clipped a box to its image: annotation 1"},
      {"[1, 2, 5, 5]", "[1, 2, 4, 4]", kWarning, "an object that is there twice: cat on a.jpg"},
      {"\"iscrowd\": 0", "\"iscrowd\": 2", kError,
       "iscrowd must be 0 or 1 (bad_images=skip leaves it out): annotations[0] (2)"},
      {"\"height\": 10", "\"height\": 0", kWarning, "does not say the size of an image: a.jpg"},
      {"\"height\": 10", "\"height\": 11", kWarning,
       "a pixel larger or smaller; the image's size is taken: a.jpg (image 1) (20 x 11, the image has 20 x "
       "10)"},
      {"\"height\": 10", "\"height\": 12", kError,
       "of another size than the image (bad_images=skip leaves it out): a.jpg (image 1) (20 x 12, the image "
       "has 20 x 10)"},
      {"\"height\": 10, \"width\": 20", "\"height\": 20, \"width\": 10", kError,
       "of another size than the image"},
      {"\"width\": 20}", "\"width\": 20}, {\"id\": 2, \"file_name\": \"a.jpg\"}", kWarning,
       "listed a second time: a.jpg (image 2)"},
      {"a.jpg", "../a.jpg", kError, "leads out of the folder of images"},
      {"a.jpg", "/a.jpg", kError, "leads out of the folder of images"},
      {"a.jpg", "a.jpg\\u0000", kError, "leads out of the folder of images, or is no name"},
      {"a.jpg", "C:\\\\a.jpg", kError, "write / instead"},
      {"a.jpg", "A.JPG", kError, "there is a.jpg; upper and lower case differ"},
      {"a.jpg", "none.jpg", kError, "none.jpg: No such file"},
      {"a.jpg", "folder.jpg", kError, "folder.jpg: is no regular file"},
      {"a.jpg", "empty.jpg", kError, "empty.jpg: is empty"},
      {"a.jpg", "text.jpg", kError, "text.jpg: is no image"},
      {"{\"id\": 7, \"name\": \"cat\"}", "", kError, "there is no category"},
      {"{\"id\": 7, \"name\": \"cat\"}", "{\"id\": 7, \"name\": \"cat\"}, {\"id\": 0, \"name\": \"dog\"}",
       kWarning, "a class without any object: dog"},
  };
  auto part = coco("", "");
  for (const auto& [from, to, severity, said] : rows) {
    SCOPED_TRACE(to);
    std::string text = good;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    folder_.write("gt.json", text);
    EXPECT_THAT(check(part).problems.text(severity), HasSubstr(said));
  }
  folder_.write("gt.json", good);
  EXPECT_THAT(kinds_of(check(part).problems), IsEmpty());
  for (const auto& [from, to] : std::map<std::string, std::string>{
           {"\"iscrowd\": 0", "\"segmentation\": {\"counts\": [1], \"size\": [10, 20]}, \"iscrowd\": 1"},
           {"{\"id\": 2,", "{\"id\": -2,"},
           {"{\"id\": 2,", "{\"id\": 40000000000,"}}) {
    std::string text = good;
    folder_.write("gt.json", text.replace(text.find(from), from.size(), to));
    EXPECT_THAT(kinds_of(check(part).problems), IsEmpty()) << to;
  }
}

TEST_F(CheckTest, ImagesAreDecodedUnlessItShallBeFast) {
  picture("a.png");
  const std::string bytes = file_bytes(folder_.path() / "a.png");
  folder_.write("a.png", bytes.substr(0, bytes.size() / 2));
  const auto part =
      coco(R"({"id": 1, "file_name": "a.png", "height": 10, "width": 20})", box(1, 1, "[0, 0, 8, 2]"));
  int64_t done = 0;
  const auto result = check(part, {.on_progress = [&](int64_t now, int64_t) { done = now; }});
  EXPECT_EQ(done, 1);
  EXPECT_THAT(result.problems.text(Severity::error), HasSubstr("cannot be decoded"));
  EXPECT_THAT(result.files, IsEmpty());
  EXPECT_FALSE(check(part, {.decode = false}).problems.has(Severity::error));
  auto tolerant = part;
  tolerant.options.bad_images = Policy::skip;
  EXPECT_FALSE(check(tolerant).problems.has(Severity::error));
}

TEST_F(CheckTest, OddFilesThatAreUsedAreCounted) {
  for (const char* name : {"a.jpg", "b.jpg"}) {
    picture(name);
    const auto bytes = file_bytes(folder_.path() / name);
    folder_.write(name, bytes.substr(0, bytes.size() - 2) + std::string(40, '\0') + "\xff\xd9");
  }
  std::filesystem::copy_file(RCNN_FIXTURES "/images/image_header/pages.tif", folder_.path() / "c.tif");
  const auto part = coco(R"({"id": 1, "file_name": "a.jpg", "height": 10, "width": 20},
                            {"id": 2, "file_name": "b.jpg", "height": 10, "width": 20},
                            {"id": 3, "file_name": "c.tif", "height": 5, "width": 7})",
                         box(1, 1, "[0, 0, 8, 2]"));
  const auto result = check(part);
  EXPECT_FALSE(result.problems.has(Severity::error)) << result.problems.text(Severity::error);
  std::map<std::string, size_t> counts;
  for (const auto& kind : result.problems.kinds()) counts[kind.what] = kind.where.size();
  counts.erase("a class of fewer than five objects");
  EXPECT_EQ(counts, (std::map<std::string, size_t>{
                        {"an image file of several pages or frames; the first one is used", 1},
                        {"a JPEG with spare bytes before its end; its pixels are whole", 2}}));
  EXPECT_EQ(kinds_of(check(part, {.decode = false}).problems).size(), 1u)
      << "the pages, which the header tells";
}

TEST_F(CheckTest, LinksOutOfTheDataSetAreNamed) {
  const TempFolder elsewhere;
  picture("a.jpg");
  std::filesystem::rename(folder_.path() / "a.jpg", elsewhere.path() / "a.jpg");
  std::filesystem::create_symlink(elsewhere.path() / "a.jpg", folder_.path() / "a.jpg");
  const auto part =
      coco(R"({"id": 1, "file_name": "a.jpg", "height": 10, "width": 20})", box(1, 1, "[0, 0, 8, 2]"));
  EXPECT_THAT(check(part).problems.text(Severity::warning), HasSubstr("behind a link"));
}

TEST_F(CheckTest, WhatCannotBeOpenedIsAnError) {
  EXPECT_THAT(check({.name = "voc", .options = {.root = folder_.path() / "none"}, .split = {}})
                  .problems.text(Severity::error),
              HasSubstr("there is no such file or folder"));
}

TEST_F(CheckTest, PartsThatShareSomeImagesAreNamed) {
  for (const char* name : {"a.jpg", "b.jpg", "c.jpg"}) picture(name);
  const auto part = [&](const char* name, std::vector<std::string> files) {
    DatasetCheck result{.name = name};
    for (const auto& file : files) result.files.push_back(folder_.path() / file);
    return result;
  };
  const auto problems = compare({part("train", {"a.jpg", "b.jpg"}), part("val", {"b.jpg", "c.jpg"}),
                                 part("all", {"a.jpg", "b.jpg", "c.jpg"})});
  EXPECT_EQ(problems.text(Severity::warning), "\n  images of train that are in val, too: b.jpg");
  EXPECT_THAT(compare({part("train", {"a.jpg", "b.jpg"}), part("val", {"b.jpg"})}).text(Severity::warning),
              HasSubstr("images of train that are in val, too: b.jpg"))
      << "also where one holds all of the other";
  EXPECT_THAT(compare({part("train", {"a.jpg"}), part("trainval", {"a.jpg"})}).kinds(), IsEmpty());
}

}  // namespace
}  // namespace rcnn::data
