#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/formats/voc/voc_file.h>

#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kBox = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>";

class VocFileTest : public testing::Test {
 protected:
  std::optional<VocFile> read(const std::string& bytes, const VocFileOptions& options = {}) {
    problems_ = {};
    return read_voc_file(folder_.write("a.xml", bytes), "a.xml", problems_, options);
  }
  /// The one object of a file, which has these elements beside its name and, unless it is given, its box.
  VocObject object(const std::string& inside, const std::string& box = kBox,
                   const VocFileOptions& options = {}) {
    const auto file =
        read("<annotation><object><name>cat</name>" + inside + box + "</object></annotation>", options);
    EXPECT_TRUE(file && file->objects.size() == 1u) << inside << errors();
    return file && file->objects.size() == 1u ? file->objects.front() : VocObject{};
  }
  /// The name of the one object of a file in some encoding.
  std::string name(const std::string& declaration, const std::string& name) {
    const auto file =
        read(declaration + "<annotation><object><name>" + name + "</name>" + kBox + "</object></annotation>");
    return file && !file->objects.empty() ? file->objects.front().name : "";
  }
  std::string errors() const { return problems_.text(Severity::error); }
  std::string warnings() const { return problems_.text(Severity::warning); }

  const TempFolder folder_;
  Problems problems_;
};

TEST_F(VocFileTest, WhatIsWrittenIsReadBack) {
  VocFile file{.file_name = "ä & <b>.jpg",
               .id = 40000000000,
               .size = ImageSize{30, 40},
               .objects = {{.name = "cat & dog",
                            .corners = {1.25, 2, 3.0000000001, 4e-7},
                            .difficult = true,
                            .attributes = {{"pose", "\"Left\""},
                                           {"truncated", "\"1\""},
                                           {"bndbox", "\"x\""},
                                           {"name", "\"y\""},
                                           {"id", "9000"},
                                           {"car color", "\"red\""},
                                           {"", "\"\""},
                                           {" a ", "\" b \""},
                                           {"\x01<:anonymous>", R"("\u0001\r\n")"},
                                           {"\"", "null"},
                                           {"list", R"([1.0, true, {"a": "\uffff]]>"}])"},
                                           {"difficult", "true"}},
                            .id = 9,
                            .area = 702.1057499999998,
                            .crowd = true,
                            .segmentation = "[[1, 2, 3, 4, 5, 6]]",
                            .others = {{"keypoints", "[1, 2, 2]"}, {"num_keypoints", "1"}}},
                           {.name = "b"}}};
  const auto path = folder_.path() / "a.xml";
  write_voc_file(path, file);
  const auto back = read_voc_file(path, "a.xml", problems_);
  ASSERT_TRUE(back);
  EXPECT_TRUE(problems_.kinds().empty()) << errors() << warnings();
  file.objects[0].position = 1;
  file.objects[1].position = 2;
  EXPECT_EQ(*back, file);
  EXPECT_THAT(file_bytes(path), AllOf(HasSubstr("<pose>Left</pose>"), HasSubstr("<truncated>1</truncated>"),
                                      HasSubstr("<name>car color</name>"), HasSubstr("<value>red</value>")))
      << "as VOC and CVAT have them";
}

TEST_F(VocFileTest, ObjectsThatAreWrongAreLeftOutAndPartsAreSeen) {
  const std::string cat =
      "<object><name>cat</name>" + kBox + "<part><name>head</name>" + kBox + "</part></object>";
  const auto file = read("<annotation><object><name>cat</name></object>" + cat + "</annotation>");
  ASSERT_TRUE(file);
  ASSERT_EQ(file->objects.size(), 1u);
  EXPECT_EQ(file->objects[0].position, 2);
  EXPECT_TRUE(file->objects[0].attributes.empty());
  EXPECT_FALSE(file->size);
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(),
              AllOf(HasSubstr("dropped: <bndbox> needs the numbers"), HasSubstr("object 1 (xmin is \"\")"),
                    HasSubstr("the parts of an object are left out: a.xml object 2")));
}

TEST_F(VocFileTest, AnObjectOfNoClassOrTwoMakesABadImage) {
  EXPECT_FALSE(read("<annotation><object>" + kBox + "</object></annotation>"));
  EXPECT_EQ(errors(), "\n  an object has no <name> (bad_images=skip leaves it out): a.xml object 1");
  EXPECT_FALSE(
      read("<annotation><object><name>cat</name><name>dog</name>" + kBox + "</object></annotation>"));
  EXPECT_THAT(errors(), HasSubstr("two <name> (bad_images=skip leaves it out): a.xml object 1 (cat, dog)"));
}

TEST_F(VocFileTest, WhatABoxHasTwiceMakesABadBox) {
  const auto of = [&](const std::string& box) {
    const auto file = read("<annotation><object><name>cat</name>" + box + "</object></annotation>",
                           {.bad_boxes = Policy::stop});
    EXPECT_TRUE(file && file->objects.empty());
    return errors();
  };
  EXPECT_THAT(of(kBox + kBox),
              HasSubstr("an object has two boxes (bad_boxes=skip leaves it out): a.xml object 1"));
  EXPECT_THAT(of("<bndbox><xmin>1</xmin><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>"),
              HasSubstr("a.xml object 1 (xmin is 1 and 2)"));
}

TEST_F(VocFileTest, FlagsAreTakenHoweverTheyAreWrittenAndOddOnesAreDropped) {
  for (const char* text : {"1", "1.0", "true", "True", "yes", "YES"})
    EXPECT_TRUE(object("<difficult>" + std::string(text) + "</difficult>").difficult) << text;
  EXPECT_EQ(warnings(), "\n  <difficult> is written otherwise than 0 or 1: a.xml object 1 (\"YES\")");
  for (const char* text : {"0", "", "0.0", "false", "False", "No"}) {
    EXPECT_FALSE(object("<difficult>" + std::string(text) + "</difficult>").difficult) << text;
    EXPECT_EQ(errors(), "");
  }
  for (const char* text : {"Unspecified", "2", "-1"}) {
    const auto flag = "<difficult>" + std::string(text) + "</difficult>";
    EXPECT_FALSE(object(flag).difficult) << text;
    EXPECT_THAT(warnings(), HasSubstr("dropped: <difficult> is neither 0 nor 1: a.xml object 1 (\"" +
                                      std::string(text) + "\")"));
    object(flag, kBox, {.bad_values = Policy::stop});
    EXPECT_THAT(errors(), HasSubstr("(bad_values=skip leaves it out)"));
  }
  EXPECT_THAT(object("<truncated>True</truncated><occluded>Unspecified</occluded>").attributes,
              ElementsAre(std::pair("truncated", "\"1\"")));
}

TEST_F(VocFileTest, AttributesAreReadAsCvatAndOthersWriteThem) {
  // As datumaro's VOC exporter writes what CVAT has; LabelImg's <pose> is "Unspecified".
  const auto found = object(
      "<pose>Unspecified</pose><occluded>0</occluded><attributes>"
      "<attribute><name>car color</name><value>dark red</value></attribute>"
      "<attribute><name>rotation</name><value>0.0</value></attribute>"
      "<attribute><name>pose</name><value>second</value></attribute></attributes>");
  EXPECT_THAT(found.attributes,
              ElementsAre(std::pair("pose", "\"Unspecified\""), std::pair("occluded", "\"0\""),
                          std::pair("car color", "\"dark red\""), std::pair("rotation", "\"0.0\"")));
  EXPECT_EQ(warnings(), "\n  an object has an attribute twice; the first counts: a.xml object 1 (pose)");
}

TEST_F(VocFileTest, TurnedObjectsKeepTheirAngleAndAreSaid) {
  const auto cvat =
      object("<attributes><attribute><name>rotation</name><value>30.5</value></attribute></attributes>");
  EXPECT_THAT(cvat.attributes, ElementsAre(std::pair("rotation", "\"30.5\"")));
  EXPECT_EQ(cvat.corners, (std::array<double, 4>{1, 2, 3, 4}));
  EXPECT_THAT(warnings(), AllOf(HasSubstr("turned"), HasSubstr("a.xml object 1 (30.5)")));

  // roLabelImg's: a square of sqrt(2) a side, turned by 45 degrees around (60, 70), from 0.
  const auto turned = object("<type>robndbox</type>",
                             "<robndbox><cx>60</cx><cy>70</cy><w>1.414213562</w><h>1.414213562</h>"
                             "<angle>0.785398163</angle></robndbox>");
  EXPECT_THAT(turned.corners, ElementsAre(DoubleNear(60, 1e-6), DoubleNear(70, 1e-6), DoubleNear(61, 1e-6),
                                          DoubleNear(71, 1e-6)))
      << "from 59 to 61, counted from 1";
  EXPECT_THAT(warnings(), HasSubstr("turned (<robndbox>)"));
  const auto kept = std::ranges::find(turned.attributes, "robndbox", &JsonFields::value_type::first);
  ASSERT_NE(kept, turned.attributes.end());
  EXPECT_EQ(nlohmann::json::parse(kept->second).at("angle"), 0.785398163);
  read("<annotation><object><name>cat</name><robndbox><cx>6</cx><cy>x</cy></robndbox></object></annotation>",
       {.bad_boxes = Policy::stop});
  EXPECT_THAT(errors(), HasSubstr("a.xml object 1 (cy is \"x\")"));
}

TEST_F(VocFileTest, PolygonsAreOutlines) {
  // Roboflow's, and that of LabelMe's old files.
  EXPECT_EQ(object("<polygon><x1>2</x1><y1>3</y1><x2>4</x2><y2>5.5</y2><x3>6</x3><y3>7</y3></polygon>")
                .segmentation,
            "[[1.0,2.0,3.0,4.5,5.0,6.0]]");
  EXPECT_EQ(object("<polygon><pt><x>2</x><y>3</y></pt><pt><x>4</x><y>5</y></pt><pt><x>6</x><y>7</y></pt>"
                   "<username>me</username></polygon>")
                .segmentation,
            "[[1.0,2.0,3.0,4.0,5.0,6.0]]");
  EXPECT_EQ(object("<polygon><x1>2</x1><y1>3</y1></polygon>").segmentation, "");
  EXPECT_THAT(warnings(), HasSubstr("outline"));
}

TEST_F(VocFileTest, SizesMayBeAbsentZeroOrNonsense) {
  const auto size = [&](const std::string& width, const std::string& height) {
    const auto file = read("<annotation><size><width>" + width + "</width><height>" + height +
                           "</height></size></annotation>");
    return file ? file->size.value_or(ImageSize{}) : ImageSize{-1, -1};
  };
  EXPECT_EQ(size("40", "30"), (ImageSize{30, 40}));
  EXPECT_EQ(warnings(), "");
  EXPECT_EQ(size("40.0", "30"), (ImageSize{30, 40}));
  EXPECT_THAT(warnings(), HasSubstr("a.xml (40.0 x 30)"));
  EXPECT_EQ(size("0", "0"), ImageSize{});
  EXPECT_EQ(warnings(), "");
  for (const char* text : {"-1", "abc", "", "40.5", "1e99"}) {
    EXPECT_EQ(size(text, "30"), ImageSize{}) << text;
    EXPECT_EQ(errors(), "");
    EXPECT_THAT(warnings(), AllOf(HasSubstr("dropped: <size>"), HasSubstr(std::string(text) + " x 30")));
  }
}

TEST_F(VocFileTest, DeclaredEncodingsAreHonoured) {
  const auto declared = [](const std::string& encoding) {
    return "<?xml version=\"1.0\" encoding=\"" + encoding + "\"?>\n";
  };
  EXPECT_EQ(name(declared("iso-8859-1"), "K\xfche"), "Kühe");
  EXPECT_EQ(name(declared("GBK"), "\xb9\xb7"), "狗");
  EXPECT_EQ(name(declared("gb2312"), "\xb9\xb7\x81\x40"), "狗丂") << "GBK, as programs write it by this name";
  EXPECT_EQ(name(declared("Big5"), "\xaa\xaf"), "狗");
  EXPECT_EQ(name(declared("Shift_JIS"), "\x8c\xa2"), "犬");
  EXPECT_EQ(name(declared("windows-1252"), "K\xfche \x80"), "Kühe €");
  EXPECT_EQ(name(declared("windows-1251"), "\xea\xee\xf2"), "кот");
  EXPECT_EQ(name(declared("UTF-8"), "Kühe"), "Kühe");
  EXPECT_EQ(name("\xef\xbb\xbf" + declared("utf-8"), "狗"), "狗");
  EXPECT_EQ(name(declared("utf-16"), "狗"), "狗") << "a declaration that was copied along";
  EXPECT_EQ(errors() + warnings(), "");
}

TEST_F(VocFileTest, WideEncodingsAreHonoured) {
  const std::u16string text =
      u"<?xml version=\"1.0\" encoding=\"utf-16\"?><annotation><filename>狗.png</filename></annotation>";
  std::string little, big;
  for (const char16_t unit : text) {
    little += {static_cast<char>(unit & 255), static_cast<char>(unit >> 8)};
    big += {static_cast<char>(unit >> 8), static_cast<char>(unit & 255)};
  }
  for (const auto& bytes : {little, "\xff\xfe" + little, big, "\xfe\xff" + big}) {
    const auto file = read(bytes);
    ASSERT_TRUE(file) << errors();
    EXPECT_EQ(file->file_name, "狗.png");
  }
}

TEST_F(VocFileTest, OtherTextThanUtf8IsNamedWithItsLine) {
  EXPECT_EQ(name("\n", "\xb9\xb7"), "");
  EXPECT_THAT(errors(), AllOf(HasSubstr("declare"), HasSubstr("(bad_images=skip leaves it out)"),
                              HasSubstr("a.xml (line 2 is no UTF-8: it has the byte 0xb9")));
  EXPECT_EQ(name("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "K\xfche"), "");
  EXPECT_THAT(errors(), HasSubstr("byte 0xfc"));
  EXPECT_EQ(name("<?xml version=\"1.0\" encoding=\"GBK\"?>\n", "\xff\xff"), "");
  EXPECT_THAT(errors(), HasSubstr("line 2 is no gb18030"));
  EXPECT_EQ(name("<?xml version=\"1.0\" encoding=\"klingon//IGNORE\"?>", "a"), "");
  EXPECT_THAT(errors(), HasSubstr("not known"));
  for (const char* reference : {"&#xD800;", "&#0;", "&#1114112;"}) {
    EXPECT_EQ(name("", reference), "");
    EXPECT_THAT(errors(), HasSubstr("line 1: &#...; of no character")) << reference;
  }
}

}  // namespace
}  // namespace rcnn::data
