// What people's tools write otherwise than COCO itself, and which means the same.
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kImage = R"({"id": 1, "file_name": "a.png", "width": 200, "height": 150})";
constexpr const char* kSecond = R"({"id": 2, "file_name": "b.png", "width": 200, "height": 150})";
constexpr const char* kAnnotation =
    R"({"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 6400, "bbox": [20, 30, 80, 80]})";
constexpr const char* kCategories = R"([{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}])";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto place = text.find(from);
  EXPECT_NE(place, std::string::npos) << from;
  return text.replace(place, from.size(), to);
}

class CocoForms : public testing::Test {
 protected:
  static std::string file(const std::string& images, const std::string& annotations,
                          const std::string& categories = kCategories) {
    return R"({"images": )" + images + R"(, "annotations": )" + annotations + R"(, "categories": )" +
           categories + "}";
  }
  static std::string of_annotation(const std::string& annotation) {
    return file(std::string("[") + kImage + ", " + kSecond + "]", "[" + annotation + "]");
  }

  CocoFile read(const std::string& text, const CocoFileOptions& options = {}) {
    problems_ = {};
    return read_coco_file(folder_.write("gt.json", text), problems_, options);
  }
  /// The only thing that is said, a warning.
  std::string warning() const {
    EXPECT_FALSE(problems_.has(Severity::error)) << problems_.text(Severity::error);
    EXPECT_THAT(problems_.kinds(), SizeIs(1)) << problems_.text(Severity::warning);
    return problems_.text(Severity::warning);
  }
  std::string errors() const { return problems_.text(Severity::error); }

  /// That an annotation is read as the usual one.
  void expect_usual(const CocoFile& file) {
    ASSERT_THAT(file.annotations, SizeIs(1)) << errors();
    const auto& annotation = file.annotations.front();
    EXPECT_EQ(annotation.id, 1);
    EXPECT_EQ(annotation.image_id, 1);
    EXPECT_EQ(annotation.category_id, 1);
    EXPECT_EQ(annotation.box, (std::array{20.0, 30.0, 80.0, 80.0}));
    EXPECT_EQ(annotation.area, 6400);
    EXPECT_FALSE(annotation.crowd);
    ASSERT_THAT(file.images, SizeIs(2));
    EXPECT_EQ(file.images[0].id, 1);
    EXPECT_EQ(file.images[0].name, "");
    EXPECT_EQ(file.images[0].size, (ImageSize{150, 200}));
    EXPECT_EQ(file.categories, (std::vector<Category>{{1, "cat"}, {2, "dog"}}));
  }

  const TempFolder folder_;
  Problems problems_;
  std::string warnings_;
};

struct Form {
  const char* from;
  const char* to;
  const char* warning;
};

TEST_F(CocoForms, OfAnnotationsAreTakenWithAWarning) {
  for (const auto& [from, to, said] : std::vector<Form>{
           {"\"iscrowd\": 0", "\"iscrowd\": 0.0",
            "a whole number is written with decimals: annotations[0].iscrowd (0.0)"},
           {"\"iscrowd\": 0", "\"iscrowd\": null",
            "null, which is taken for nothing: annotations[0].iscrowd (null)"},
           {"\"iscrowd\": 0", "\"iscrowd\": \"0\"",
            "a number is written as a text: annotations[0].iscrowd (\"0\")"},
           {"\"iscrowd\": 0", "\"iscrowd\": \"False\"",
            "a truth value is written as a text: annotations[0].iscrowd (\"False\")"},
           {"6400", "null", "null, which is taken for nothing: annotations[0].area (null)"},
           {"6400", "\"6400\"", "a number is written as a text: annotations[0].area (\"6400\")"},
           {"\"category_id\": 1", "\"category_id\": \"1\"",
            "a number is written as a text: annotations[0].category_id (\"1\")"},
           {"\"category_id\": 1", "\"category_id\": 1.0",
            "a whole number is written with decimals: annotations[0].category_id (1.0)"},
           {"\"image_id\": 1", "\"image_id\": \"1\"",
            "a number is written as a text: annotations[0].image_id (\"1\")"},
           {"\"image_id\": 1", "\"image_id\": 1e0",
            "a whole number is written with decimals: annotations[0].image_id (1e0)"},
           {"\"id\": 1,", "\"id\": 1.0,", "a whole number is written with decimals: annotations[0].id (1.0)"},
           {"\"id\": 1,", "\"id\": \"1\",", "a number is written as a text: annotations[0].id (\"1\")"},
           {"\"id\": 1,", "\"id\": null,", "null, which is taken for nothing: annotations[0].id (null)"},
           {"\"id\": 1,", "", "an entry without an id gets a number: annotations[0] (1)"},
           {"[20, 30, 80, 80]", "[\"20\", \"30\", \" 80.0 \", 80]",
            "a number is written as a text: annotations[0].bbox ([\"20\", \"30\", \" 80.0 \", 80])"}}) {
    const auto content = read(of_annotation(replaced(kAnnotation, from, to)));
    expect_usual(content);
    if (std::string(to) == "\"id\": null,") continue;  // two things are said
    EXPECT_THAT(warning(), HasSubstr(said)) << to;
  }
}

TEST_F(CocoForms, OfImagesAndCategoriesAreTakenWithAWarning) {
  const auto annotation = std::string("[") + kAnnotation + "]";
  for (const auto& [from, to, said] : std::vector<Form>{
           {"\"width\": 200", "\"width\": 200.0",
            "a whole number is written with decimals: images[0].width (200.0)"},
           {"\"width\": 200", "\"width\": \"200\"",
            "a number is written as a text: images[0].width (\"200\")"},
           {"\"id\": 1", "\"id\": 1.0", "a whole number is written with decimals: images[0].id (1.0)"},
           {"\"id\": 1", "\"id\": \"1\"", "a number is written as a text: images[0].id (\"1\")"}}) {
    expect_usual(read(file("[" + replaced(kImage, from, to) + ", " + kSecond + "]", annotation)));
    EXPECT_THAT(warning(), HasSubstr(said));
  }
  const auto images = std::string("[") + kImage + ", " + kSecond + "]";
  expect_usual(read(file(images, annotation, R"([{"id": 1.0, "name": "cat"}, {"id": 2, "name": "dog"}])")));
  EXPECT_THAT(warning(), HasSubstr("a whole number is written with decimals: categories[0].id (1.0)"));
  const auto numbered = read(file(images, annotation, R"([{"id": 1, "name": 7}, {"id": 2, "name": "dog"}])"));
  EXPECT_EQ(numbered.categories.at(0).name, "7");
  EXPECT_THAT(warning(), HasSubstr("a text is written as a number: categories[0].name (7)"));

  const auto sizeless = read(file("[" + replaced(kImage, "150", "null") + "]", annotation));
  EXPECT_EQ(sizeless.images.at(0).size, (ImageSize{0, 200}));
  EXPECT_THAT(warning(), HasSubstr("null, which is taken for nothing: images[0].height (null)"));
}

TEST_F(CocoForms, AMillionOddValuesAreOneLine) {
  std::string annotations;
  for (int i = 1; i <= 1000; ++i)
    annotations +=
        (i > 1 ? ", " : "") + replaced(replaced(kAnnotation, "\"id\": 1", "\"id\": " + std::to_string(i)),
                                       "\"iscrowd\": 0", "\"iscrowd\": 0.0");
  EXPECT_THAT(read(of_annotation(annotations)).annotations, SizeIs(1000));
  EXPECT_THAT(warning(), HasSubstr("annotations[4].iscrowd (0.0) and 995 more"));
}

TEST_F(CocoForms, ListsMayBeObjects) {
  const auto content = read(file(std::string(R"({"x": )") + kImage + R"(, "y": )" + kSecond + "}",
                                 std::string(R"({"7": )") + kAnnotation + "}",
                                 R"({"b": {"id": 1, "name": "cat"}, "a": {"id": 2, "name": "dog"}})"));
  expect_usual(content);
  EXPECT_THAT(warning(), HasSubstr("a list is written as an object; its values are taken in their order: "
                                   "images, annotations, categories"));
  const auto twice = file(std::string("[") + kImage + "]",
                          std::string(R"({"7": )") + kAnnotation + R"(, "7": )" + kAnnotation + "}");
  EXPECT_THAT(message_of<DataError>([&] { read(twice); }), HasSubstr("annotations has \"7\" twice"));
  EXPECT_THAT(message_of<DataError>([&] { read(file("[]", "7")); }),
              HasSubstr("annotations must be a list (7)"));
}

TEST_F(CocoForms, IdsOfAnyLengthAreNotRounded) {
  const std::string most = std::to_string(std::numeric_limits<int64_t>::max());
  for (const auto& written : {most, most + ".0", "\"" + most + "\""}) {
    const auto content = read(of_annotation(replaced(kAnnotation, "\"id\": 1", "\"id\": " + written)));
    ASSERT_THAT(content.annotations, SizeIs(1)) << written;
    EXPECT_EQ(content.annotations[0].id, std::numeric_limits<int64_t>::max()) << written;
  }
  for (const char* written : {"9223372036854775808", "9223372036854775808.0", "1e19", "1.5", "NaN", "[1]"}) {
    read(of_annotation(replaced(kAnnotation, "\"id\": 1", std::string("\"id\": ") + written)));
    EXPECT_THAT(errors(),
                AllOf(HasSubstr("id must be an integer of 64 bits: annotations[0] ("), HasSubstr(written)));
  }
}

TEST_F(CocoForms, ValuesThatDoNoHarmAreDropped) {
  const auto text = of_annotation(replaced(kAnnotation, "6400", "\"abc\""));
  expect_usual(read(text));
  EXPECT_THAT(warning(), HasSubstr("dropped: area must be a number: annotations[0] (\"abc\")"));
  read(text, {.bad_values = Policy::stop});
  EXPECT_THAT(errors(), HasSubstr("area must be a number (bad_values=skip leaves it out): annotations[0]"));

  const auto wide = read(file("[" + replaced(kImage, "200", "\"x\"") + "]", "[]"));
  EXPECT_THAT(wide.images, SizeIs(1));
  EXPECT_THAT(warning(), HasSubstr("dropped: width must be an integer of 64 bits: images[0] (\"x\")"));
}

TEST_F(CocoForms, BoxesThatAreNoneAreBadBoxes) {
  for (const auto& [from, to, said] : std::vector<Form>{
           {"[20, 30, 80, 80]", "[20, 30, 80]",
            "a box has 3 numbers, not four: annotations[0] ([20, 30, 80])"},
           {"[20, 30, 80, 80]", "[1, 2, 3, 4, 5]", "a box has 5 numbers, not four"},
           {"[20, 30, 80, 80]", "[1, 1e999, 3, 4]", "a box must have four numbers"},
           {"[20, 30, 80, 80]", "[1, NaN, 3, 4]",
            "a box must have four numbers: annotations[0] ([1, NaN, 3, 4])"},
           {"[20, 30, 80, 80]", "[1, [2], {\"a\": 3}, \"x\"]", "a box must have four numbers"},
           {"[20, 30, 80, 80]", "{\"x\": 1}",
            "a box must be [x, y, width, height]: annotations[0] ({\"x\": 1})"},
           {"[20, 30, 80, 80]", "7", "a box must be [x, y, width, height]: annotations[0] (7)"},
           {"[20, 30, 80, 80]", "null", "an annotation has neither a bbox nor an outline: annotations[0]"},
           {"[20, 30, 80, 80]", "[]", "an annotation has neither a bbox nor an outline: annotations[0]"},
           {", \"bbox\": [20, 30, 80, 80]", "", "an annotation has neither a bbox nor an outline"},
           {"[20, 30, 80, 80]", "[], \"segmentation\": [[1, 2, 3]]",
            "an annotation has neither a bbox nor an outline"}}) {
    const auto text = of_annotation(replaced(kAnnotation, from, to));
    EXPECT_THAT(read(text, {.bad_boxes = Policy::skip}).annotations, SizeIs(0)) << to;
    EXPECT_THAT(warning(), AllOf(HasSubstr("dropped: "), HasSubstr(said)));
    read(text, {.bad_boxes = Policy::stop});
    EXPECT_THAT(errors(), HasSubstr("(bad_boxes=skip leaves it out): annotations[0]"));
    read(text);
    EXPECT_THAT(errors(), HasSubstr(said));
  }
}

TEST_F(CocoForms, OutlinesStandForBoxes) {
  for (const char* box : {"", "\"bbox\": [], ", "\"bbox\": null, "}) {
    auto text = replaced(kAnnotation, "\"bbox\": [20, 30, 80, 80]",
                         box + std::string("\"segmentation\": [[20, 30, 100, 30, 100, 110]]"));
    expect_usual(read(of_annotation(text)));
    EXPECT_THAT(warning(), HasSubstr("there is no bbox; that of the outline is taken: annotations[0] ([20, "
                                     "30, 80, 80])"));
    // The outline stands first in COCO's own files.
    text =
        "{\"segmentation\": [[20, 30, 100, 30], [30, 40, 40, 110]], " +
        replaced(replaced(kAnnotation, "{", ""), "\"bbox\": [20, 30, 80, 80]", box + std::string("\"x\": 1"));
    expect_usual(read(of_annotation(text)));
  }
}

TEST_F(CocoForms, AnImageWithAnObjectThatIsNotUnderstoodMayBeLeftOut) {
  const auto text = of_annotation(
      replaced(kAnnotation, "\"iscrowd\": 0", "\"iscrowd\": \"maybe\"") + ", " +
      replaced(kAnnotation, "\"id\": 1", "\"id\": 2") + ", " +
      replaced(replaced(kAnnotation, "\"id\": 1", "\"id\": 3"), "\"image_id\": 1", "\"image_id\": 2"));
  const auto content = read(text, {.bad_images = Policy::skip});
  ASSERT_THAT(content.images, SizeIs(1));
  EXPECT_EQ(content.images[0].id, 2);
  ASSERT_THAT(content.annotations, SizeIs(1));
  EXPECT_EQ(content.annotations[0].id, 3);
  EXPECT_THAT(warning(), HasSubstr("dropped: iscrowd must be 0 or 1: annotations[0] (\"maybe\")"));
  read(text, {.bad_images = Policy::stop});
  EXPECT_THAT(errors(), HasSubstr("iscrowd must be 0 or 1 (bad_images=skip leaves it out): annotations[0]"));
  read(text);
  EXPECT_THAT(errors(), HasSubstr("iscrowd must be 0 or 1: annotations[0] (\"maybe\")"));
}

TEST_F(CocoForms, IdsMayBeTexts) {
  // Annotations first: what they refer to is not known yet.
  const auto content = read(R"({"annotations": [
      {"id": "a", "image_id": "img2", "category_id": "d", "bbox": [0, 0, 1, 1]},
      {"id": "b", "image_id": "img1", "category_id": "c", "bbox": [0, 0, 1, 1]},
      {"id": "c", "image_id": 3, "category_id": "d", "bbox": [0, 0, 1, 1]}],
    "images": [{"id": "img1", "file_name": "1.png"}, {"id": "img2", "file_name": "2.png"},
               {"id": 1, "file_name": "3.png"}, {"id": "3", "file_name": "4.png"}],
    "categories": [{"id": "c", "name": "cat"}, {"id": "d", "name": "dog"}]})");
  EXPECT_EQ(errors(), "");
  std::vector<int64_t> ids;
  for (const auto& image : content.images) ids.push_back(image.id);
  EXPECT_THAT(ids, ElementsAre(2, 3, 1, 4));  // 1 is taken
  EXPECT_EQ(content.images[0].name, "img1");
  EXPECT_EQ(content.images[2].name, "");
  ASSERT_THAT(content.annotations, SizeIs(3));
  EXPECT_EQ(content.annotations[0].image_id, 3);
  EXPECT_EQ(content.annotations[1].image_id, 2);
  EXPECT_EQ(content.annotations[2].image_id, 3);  // the number that stands for "img2"
  EXPECT_EQ(content.categories, (std::vector<Category>{{1, "cat"}, {2, "dog"}}));
  EXPECT_EQ(content.annotations[0].category_id, 2);
  EXPECT_EQ(content.annotations[1].category_id, 1);
  EXPECT_EQ(content.text_ids.images.at("img2"), 3);
  EXPECT_EQ(content.text_ids.categories.at("d"), 2);
  EXPECT_THAT(warning(), HasSubstr("an id is a text, and gets a number: images[0] (\"img1\": 2), images[1] "
                                   "(\"img2\": 3), images[3] (\"3\": 4)"));

  read(file(R"([{"id": "a", "file_name": "1.png"}, {"id": "a", "file_name": "2.png"}])",
            R"([{"id": 1, "image_id": "b", "category_id": 1, "bbox": [0, 0, 1, 1]}])"));
  EXPECT_THAT(errors(), AllOf(HasSubstr("an id is there a second time: images[1] (id \"a\")"),
                              HasSubstr("image_id is a text that is no id in the list of these: "
                                        "annotations[0].image_id (\"b\")")));
  read(file(R"([{"id": "1", "file_name": "1.png"}, {"id": 1, "file_name": "2.png"}])", "[]"));
  EXPECT_THAT(errors(), HasSubstr("an id is there a second time: images[0] (id \"1\")"));
}

TEST_F(CocoForms, FileNamesComeFromOtherKeys) {
  const auto name_of = [&](const std::string& keys) {
    const auto content = read(file("[{\"id\": 1, " + keys + "}]", "[]"));
    return content.images.empty() ? errors() : content.images[0].file_name;
  };
  EXPECT_EQ(name_of(R"("coco_url": "http://images.cocodataset.org/val2017/a b.jpg?x=1#y")"), "a b.jpg");
  EXPECT_THAT(warning(),
              HasSubstr("an image without a file_name gets that of another key: images[0] (a b.jpg "
                        "from coco_url)"));
  EXPECT_EQ(name_of(R"("flickr_url": "http://f/c.jpg", "file_name": null, "coco_url": "http://f/d.jpg")"),
            "d.jpg");
  EXPECT_EQ(name_of(R"("coco_url": "http://f/d.jpg", "path": "sub/e.jpg")"), "sub/e.jpg");
  EXPECT_EQ(name_of(R"("path": "/home/me/e.jpg")"), "e.jpg");
  EXPECT_EQ(name_of(R"("filename": "f.jpg", "file_name": "g.jpg")"), "g.jpg");
  EXPECT_EQ(problems_.kinds().size(), 0u);
  EXPECT_THAT(name_of(R"("coco_url": "http://f/")"), HasSubstr("has no file_name: images[0]"));
  EXPECT_THAT(name_of(R"("path": 7)"), HasSubstr("has no file_name: images[0]"));
}

TEST_F(CocoForms, ByteOrderMarksArePassedOverAndOtherEncodingsNamed) {
  const auto text = of_annotation(kAnnotation);
  expect_usual(read("\xef\xbb\xbf" + text));
  EXPECT_TRUE(problems_.kinds().empty());
  const std::string list = R"([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}])";
  EXPECT_THAT(read_coco_results(folder_.write("dt.json", "\xef\xbb\xbf" + list)).results, SizeIs(1));
  const auto wide = [](const std::string& text, size_t before, size_t after) {
    std::string result;
    for (const char c : text) result += std::string(before, '\0') + c + std::string(after, '\0');
    return result;
  };
  const auto said = [&](const std::string& bytes) {
    const auto of_list = message_of<DataError>([&] { read_coco_results(folder_.write("dt.json", bytes)); });
    const auto of_file = message_of<DataError>([&] { read(bytes); });
    EXPECT_EQ(of_list.substr(of_list.find("json:")), of_file.substr(of_file.find("json:")));
    return of_file;
  };
  for (const auto& bytes :
       {"\xff\xfe" + wide(text, 0, 1), "\xfe\xff" + wide(text, 1, 0), wide(text, 0, 1), wide(text, 1, 0)})
    EXPECT_THAT(said(bytes), HasSubstr("gt.json: is UTF-16; save it as UTF-8"));
  for (const auto& bytes : {std::string("\xff\xfe\0\0", 4) + wide(text, 0, 3), wide(text, 3, 0)})
    EXPECT_THAT(said(bytes), HasSubstr("gt.json: is UTF-32; save it as UTF-8"));
  for (const auto& part :
       {file("[\n" + replaced(kImage, "a.png", "K\xfche.png") + "]", "[]"),
        file("[]", "[]", "[\n{\"id\": 1, \"name\": \"\xb9\xb7\"}]"), file("[],\n \"x\": \"\xe7\"", "[]")})
    EXPECT_THAT(message_of<DataError>([&] { read(part); }),
                HasSubstr("gt.json: line 2 is no UTF-8: it has the byte 0x"));
}

TEST_F(CocoForms, OfResultsAreTakenWithAWarning) {
  const auto read_list = [&](const std::string& entry, const CocoTextIds& known = {}) {
    testing::internal::CaptureStderr();
    auto list = read_coco_results(folder_.write("dt.json", "[" + entry + "]"), known);
    warnings_ = testing::internal::GetCapturedStderr();
    return list;
  };
  const std::string good = R"({"image_id": 3, "category_id": 18, "bbox": [1, 2, 3.5, 4], "score": 0.25})";
  for (const auto& [from, to, said] : std::vector<Form>{
           {"3,", "\"3\",", "[0].image_id (\"3\")"},
           {"18", "18.0", "[0].category_id (18.0)"},
           {"0.25", "\"0.25\"", "[0].score (\"0.25\")"},
           {"[1, 2, 3.5, 4]", "[\"1\", 2, 3.5, 4]", "[0].bbox ([\"1\", 2, 3.5, 4])"},
           {"\"bbox\": [1, 2, 3.5, 4]", "\"segmentation\": [[1, 2, 4.5, 6]]", "[0] ([1, 2, 3.5, 4])"}}) {
    const auto list = read_list(replaced(good, from, to));
    ASSERT_THAT(list.results, SizeIs(1));
    const auto& result = list.results[0];
    EXPECT_EQ(result.image_id, 3);
    EXPECT_EQ(result.category_id, 18);
    EXPECT_EQ(result.box, (std::array{1.0, 2.0, 3.5, 4.0}));
    EXPECT_EQ(result.score, 0.25);
    EXPECT_THAT(warnings_, HasSubstr(said));
    EXPECT_TRUE(list.images.names.empty());
  }
  const auto error = [&](const std::string& from, const std::string& to) {
    const auto file = folder_.write("dt.json", "[" + replaced(good, from, to) + "]");
    return message_of<DataError>([&] { read_coco_results(file); });
  };
  EXPECT_THAT(error("0.25", "null"), HasSubstr("score must be a number: [0] (null)"));
  EXPECT_THAT(error("0.25", "NaN"), HasSubstr("score must be a number: [0] (NaN)"));
  EXPECT_THAT(error("[1, 2, 3.5, 4]", "[1, 2, 3]"),
              HasSubstr("a box has 3 numbers, not four: [0] ([1, 2, 3])"));
  EXPECT_THAT(error("[1, 2, 3.5, 4]", "[]"), HasSubstr("has no bbox: [0]"));

  const CocoTextIds known{.images = {{"img1", 5}}, .categories = {{"c", 7}}};
  auto list = read_list(replaced(replaced(good, "3,", "\"img1\","), "18", "\"c\""), known);
  EXPECT_EQ(list.results.at(0).image_id, 5);
  EXPECT_EQ(list.results.at(0).category_id, 7);
  EXPECT_EQ(warnings_, "");
  list = read_list(replaced(replaced(good, "3,", "\"img2.png\","), "18", "\"cat\"") + ", " + good, known);
  EXPECT_EQ(list.images.names, std::vector<std::string>{"img2.png"});
  EXPECT_EQ(list.categories.names, std::vector<std::string>{"cat"});
  EXPECT_THAT(list.images.of_results, ElementsAre(0, CocoResultNames::kNone));
  EXPECT_NE(list.results.at(0).image_id, list.results.at(1).image_id);
  EXPECT_THAT(warnings_, HasSubstr("an id is a text, and taken for a name: [0].image_id (\"img2.png\"), "
                                   "[0].category_id (\"cat\")"));
}

}  // namespace
}  // namespace rcnn::data
