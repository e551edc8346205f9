#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/coco/coco_file.h>

#include "tests/data/formats/yolo/yolo_fixture.h"
#include "tests/support/german_locale.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// One image of 100 x 50 pixels and its labels.
class YoloLinesTest : public YoloFormatTest {
 protected:
  YoloLinesTest() {
    picture("images/a.png", 100, 50);
    text("classes.txt", "cat\ndog\n");
  }

  CocoFile lines(const std::string& bytes) {
    text("labels/a.txt", bytes);
    return read().content;
  }
  std::array<double, 4> box(const std::string& line) {
    const auto content = lines(line);
    EXPECT_EQ(content.annotations.size(), 1u) << line << errors() << warnings();
    return content.annotations.empty() ? std::array<double, 4>() : content.annotations[0].box;
  }

  using Box4 = std::array<double, 4>;
};

TEST_F(YoloLinesTest, SharesBecomePixels) {
  const auto content = lines(
      "\xef\xbb\xbf"
      "1 0.5 0.5 0.2 0.4\r\n\n0\t0.1 0.2  0.3 0.2 0.2 0.6 \n1.0 +0.5 5e-1 .2 0.4");
  EXPECT_EQ(errors() + warnings(), "");
  ASSERT_EQ(content.annotations.size(), 3u);
  EXPECT_EQ(content.annotations[0].category_id, 2);
  EXPECT_EQ(content.annotations[0].box, (Box4{40, 15, 20, 20}));
  EXPECT_EQ(content.annotations[0].position, 1);
  EXPECT_EQ(content.annotations[1].box, (Box4{10, 10, 20, 20}));
  EXPECT_EQ(content.annotations[1].position, 3);
  EXPECT_EQ(content.details[1].segmentation, "[[10, 10, 30, 10, 20, 30]]");
  EXPECT_EQ(content.annotations[2].category_id, 2);
  EXPECT_EQ(content.annotations[2].box, (Box4{40, 15, 20, 20}));
  EXPECT_EQ(content.images[0].size, (ImageSize{50, 100}));
  const auto part = read();
  EXPECT_EQ(part.place(part.content.images[0], part.content.annotations[1]), "labels/a.txt line 3");
}

// docs.ultralytics.com/datasets/obb: class x1 y1 x2 y2 x3 y3 x4 y4.
TEST_F(YoloLinesTest, OrientedBoxesHaveTheirHull) {
  const auto content = lines("0 0.5 0.2 0.7 0.4 0.5 0.6 0.3 0.4\n");
  EXPECT_EQ(errors() + warnings(), "");
  EXPECT_EQ(content.annotations[0].box, (Box4{30, 10, 40, 20}));
  EXPECT_EQ(content.details[0].segmentation, "[[50, 10, 70, 20, 50, 30, 30, 20]]");
}

TEST_F(YoloLinesTest, BoxesAndOutlinesMayBeMixed) {
  EXPECT_EQ(lines("0 0.5 0.5 0.2 0.2\n1 0.1 0.2 0.3 0.2 0.2 0.6\n").annotations.size(), 2u);
  EXPECT_EQ(errors() + warnings(), "");
}

// Recipe 11, a sixth column.
TEST_F(YoloLinesTest, AConfidenceIsKept) {
  const auto content = lines("0 0.5 0.5 0.2 0.4 0.75\n");
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("confidence"), HasSubstr("labels/a.txt line 1 (0.75)")));
  EXPECT_EQ(content.annotations[0].box, (Box4{40, 15, 20, 20}));
  EXPECT_EQ(content.details[0].attributes, (JsonFields{{"confidence", "0.75"}}));
  EXPECT_EQ(box("0 0.5 0.5 0.2 0.4 7"), (Box4{40, 15, 20, 20}));
  EXPECT_THAT(warnings(), HasSubstr("no confidence, from 0 to 1: labels/a.txt line 1 (7)"));
}

// Recipe 11: kpt_shape decides.
TEST_F(YoloLinesTest, KeypointsAreThoseOfTheShape) {
  text("data.yaml", "names: [cat, dog]\nkpt_shape: [2, 2]\n");
  auto content =
      lines("0 0.5 0.5 0.2 0.2 0.1 0.1 0.9 0.9\n1 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.2 0 0 0.5 0.5\n");
  EXPECT_EQ(errors() + warnings(), "");
  ASSERT_EQ(content.annotations.size(), 3u);
  EXPECT_EQ(content.annotations[0].box, (Box4{40, 20, 20, 10}));
  EXPECT_EQ(content.details[0].segmentation, "");
  EXPECT_EQ(content.details[0].others,
            (JsonFields{{"keypoints", "[10, 5, 2, 90, 45, 2]"}, {"num_keypoints", "2"}}));
  EXPECT_EQ(content.details[2].others,
            (JsonFields{{"keypoints", "[0, 0, 0, 50, 25, 2]"}, {"num_keypoints", "1"}}));
  lines("0 0.5 0.5 0.2 0.2 0.1 0.1 0.9\n");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("4 as kpt_shape says"), HasSubstr("0.2 0.2 0.1 0.1 0.9")));

  text("data.yaml", "names: [cat, dog]\nkpt_shape: [2, 3]\n");
  content = lines("0 0.5 0.5 0.2 0.2 0.1 0.1 2 0.9 0.9 1\n0 0.5 0.5 0.2 0.2 0 0 0 0.5 0.5 2.000000\n");
  EXPECT_EQ(errors() + warnings(), "");
  EXPECT_EQ(content.annotations[0].box, (Box4{40, 20, 20, 10}));
  EXPECT_EQ(content.details[0].others[0].second, "[10, 5, 2, 90, 45, 1]");
  EXPECT_EQ(content.details[1].others[1].second, "1");
  content = lines("0 0.5 0.5 0.2 0.2 0.1 0.1 3 0.9 0.9 1\n");
  EXPECT_EQ(content.annotations.size(), 1u) << "the box is good";
  EXPECT_THAT(warnings(), HasSubstr("visibility"));
}

TEST_F(YoloLinesTest, LinesThatFitTwoReadingsStop) {
  const std::vector<std::string> unclear = {
      "0 0.5 0.5 0.4 0.4 0.4 0.4 0.6 0.6\n",      // two points, or an oriented box
      "0 0.5 0.5 0.4 0.4 0.4 0.4\n",              // one
      "0 0.5 0.5 0.4 0.4 0.4 0.4 0 0\n",          // one of two is not labelled
      "0 0.5 0.5 0.4 0.4 0.4 0.4 1 0.6 0.6 0\n",  // two with visibilities
      "0 0.5 0.5 0.4 0.4 0.4 0.4 2 0.6 0.6 2\n",  // these can be nothing else
      "0 0.5 0.5 0.4 0.4 0.4 0.4 2\n",
  };
  for (const auto& line : unclear) {
    lines("1 0.5 0.5 0.1 0.1\n" + line);
    EXPECT_THAT(errors(), AllOf(HasSubstr("data.yolo_lines"), HasSubstr("--yolo-lines"),
                                HasSubstr("box, outline, oriented or pose"),
                                HasSubstr("labels/a.txt line 2 (0 0.5 0.5 0.4")))
        << line;
  }
  // One whose points lie elsewhere says that they are outlines.
  EXPECT_EQ(lines(unclear[0] + "0 0.1 0.1 0.2 0.1 0.2 0.9 0.1 0.9\n").annotations.size(), 2u);
  EXPECT_EQ(errors() + warnings(), "");
  // But not one of many.
  std::string many;
  for (int i = 0; i < 20; ++i) many += unclear[0];
  lines(many + "0 0.1 0.1 0.2 0.1 0.2 0.9 0.1 0.9\n");
  EXPECT_THAT(errors(), HasSubstr("data.yolo_lines"));
}

TEST_F(YoloLinesTest, WhatTheLinesAreCanBeSaid) {
  const std::string nine = "0 0.5 0.5 0.4 0.4 0.4 0.4 0.6 0.6\n";
  said_.yolo_lines = "pose";
  auto content = lines(nine);
  EXPECT_EQ(content.annotations.at(0).box, (Box4{30, 15, 40, 20}));
  EXPECT_EQ(content.details[0].others[0].second, "[40, 20, 2, 60, 30, 2]");
  content = lines("0 0.5 0.5 0.4 0.4 0.4 0.4 1 0.6 0.6 0\n");
  EXPECT_EQ(content.details.at(0).others[0].second, "[40, 20, 1, 60, 30, 0]");
  for (const char* kind : {"outline", "oriented"}) {
    said_.yolo_lines = kind;
    content = lines(nine);
    EXPECT_EQ(errors() + warnings(), "") << kind;
    EXPECT_EQ(content.annotations.at(0).box, (Box4{40, 20, 20, 10}));
  }
  struct Case {
    std::string kind, line;
  };
  for (const auto& [kind, line] :
       {Case{"box", nine}, Case{"outline", "0 0.5 0.5 0.4 0.4\n"},
        Case{"oriented", "0 0.1 0.1 0.9 0.1 0.5 0.5\n"}, Case{"pose", "0 0.5 0.5 0.4 0.4\n"}}) {
    said_.yolo_lines = kind;
    EXPECT_TRUE(lines(line).annotations.empty()) << kind;
    EXPECT_THAT(warnings(), HasSubstr("labels/a.txt line 1 (0 0.")) << kind;
    said_.bad_boxes = Policy::stop;
    lines(line);
    EXPECT_THAT(errors(), HasSubstr("(bad_boxes=skip leaves it out)")) << kind;
    said_.bad_boxes = {};
  }
  said_.yolo_lines = "";
  text("data.yaml", "names: [cat]\nyolo_lines: oriented\n");
  EXPECT_EQ(lines(nine).annotations.size(), 1u);
  EXPECT_EQ(errors(), "");
}

TEST_F(YoloLinesTest, SharesALittleBeyondAreTaken) {
  EXPECT_EQ(box("0 0.5 0.5 1.0000001 1\n"), (Box4{-0.000005, 0, 100.00001, 50}));
  EXPECT_THAT(warnings(), AllOf(HasSubstr("little below 0 or above 1"), HasSubstr("line 1 (1.0000001)")));
  box("0 0.1 0.1 0.2 0.1 0.2 -0.001\n");
  EXPECT_THAT(warnings(), HasSubstr("(-0.001)"));
}

TEST_F(YoloLinesTest, WrongValuesAreNamedAndLeftOut) {
  struct Case {
    std::string line, value;
  };
  said_.bad_boxes = Policy::stop;
  for (const auto& [line, value] :
       {Case{"0 320 240 100 80", "320"}, Case{"0 0.5 0.5 0.2 1.4", "1.4"}, Case{"0 0.5 -0.5 0.2 0.4", "-0.5"},
        Case{"0 nan 0.5 0.2 0.4", "nan"}, Case{"0 0.5 0.5 0.2 inf", "inf"},
        Case{"0 0.5 0.5 0.2 0.4x", "0.4x"}, Case{"cat 0.5 0.5 1 1", "cat"}, Case{"0 0,5 0.5 0.2 0.4", "0,5"},
        Case{"0,0.5,0.5,0.2,0.4", "0,0.5,0.5,0.2,0.4"}, Case{"0 0.5 0.5 0.2", "0 0.5 0.5 0.2"},
        Case{"0 1 1 1 1 1 1 0.5", "0 1 1 1 1 1 1 0.5"}, Case{"0 0.1 0.1 0.2 0.1 0.2 50", "50"}}) {
    EXPECT_TRUE(lines("1 0.5 0.5 0.2 0.4\n" + line).annotations.size() == 1) << line;
    EXPECT_THAT(errors(),
                AllOf(HasSubstr("bad_boxes=skip"), HasSubstr("labels/a.txt line 2 (" + value + ")")))
        << line;
  }
  EXPECT_THAT(errors(), HasSubstr("pixels"));
  lines("0 0,5 0.5 0.2 0.4");
  EXPECT_THAT(errors(), HasSubstr("write 0.5"));
  said_.bad_boxes = Policy::skip;
  EXPECT_EQ(lines("1 0.5 0.5 0.2 0.4\n0 320 240 100 80\n").annotations.size(), 1u);
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), HasSubstr("dropped: "));
}

TEST_F(YoloLinesTest, WhatIsWrongWithANumberIsTrue) {
  for (const char* text : {"-0.4", "-0.001", "-320"}) {
    EXPECT_TRUE(lines(fmt::format("0 0.5 0.5 {} 0.4\n", text)).annotations.empty());
    EXPECT_THAT(warnings(),
                AllOf(HasSubstr("negative width or height"), HasSubstr(text), Not(HasSubstr("pixels"))));
    lines(fmt::format("0 0.5 0.5 0.4 {}\n", text));
    EXPECT_THAT(warnings(), AllOf(HasSubstr("negative width or height"), Not(HasSubstr("pixels"))));
  }
  for (const char* text : {"-0.4", "1.4", "-20"}) {
    EXPECT_TRUE(lines(fmt::format("0 {} 0.5 0.4 0.4\n", text)).annotations.empty());
    EXPECT_THAT(warnings(), AllOf(HasSubstr("no share"), HasSubstr(text), Not(HasSubstr("pixels"))));
  }
  lines("0 320 240 100 80\n");
  EXPECT_THAT(warnings(), HasSubstr("pixels"));
}

TEST_F(YoloLinesTest, LinesEndAsAnySystemEndsThem) {
  for (const char* end : {"\n", "\r\n", "\r"}) {
    const auto content = lines(fmt::format("1 0.5 0.5 0.2 0.4{0}{0}0 0.5 0.5 0.2 0.4{0}", end));
    EXPECT_EQ(errors() + warnings(), "");
    ASSERT_EQ(content.annotations.size(), 2u);
    EXPECT_EQ(content.annotations[1].category_id, 1);
    EXPECT_EQ(content.annotations[1].position, 3);
  }
  EXPECT_EQ(lines("1 0.5 0.5 0.2 0.4\r0 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4\r\n1 0.5 0.5 0.2 0.4\r")
                .annotations.size(),
            4u)
      << "mixed";
  EXPECT_EQ(errors() + warnings(), "");
  picture("images/b.png", 100, 50);
  text("labels/b.txt", "");
  for (const char* end : {"\r\n", "\r"}) {
    text("classes.txt", fmt::format("cat{0}dog{0}", end));
    text("train.txt", fmt::format("images/a.png{0}images/b.png{0}", end));
    const auto part = read("train");
    EXPECT_EQ(errors() + warnings(), "");
    EXPECT_EQ(part.content.images.size(), 2u);
    EXPECT_EQ(part.content.annotations.size(), 4u);
    EXPECT_EQ(part.content.categories.size(), 2u);
  }
  text("voc.data", "train = train.txt\rnames = classes.txt\r");
  EXPECT_EQ(read("train").content.images.size(), 2u);
  text("data.yaml", "names: [cat, dog]\rval: images\r");
  EXPECT_EQ(read("val").content.images.size(), 2u);
}

TEST_F(YoloLinesTest, BoxesWithoutSizeAreTheTrainingsToDrop) {
  EXPECT_EQ(box("0 0.5 0.5 0 0.4"), (Box4{50, 15, 0, 20}));
  text("labels/a.txt", "0 0.5 0.5 0 0.4\n0 0.5 0.5 0.2 0.4\n");
  EXPECT_EQ(open("all")->record(0).objects.size(), 1u);
  EXPECT_THAT(warnings(),
              AllOf(HasSubstr("without width or height"), HasSubstr("labels/a.txt line 1 [50, 15, 0, 20]")));
}

TEST_F(YoloLinesTest, ADecimalCommaOfTheHostsLocaleChangesNothing) {
  const std::string bytes = "1 +0.5 5e-1 0.2 0.4\n0 0.1 0.2 0.3 0.2 0.25 0.65\n";
  text("data.yaml", "nc: 2\nnames: [cat, dog]\ntrain: images\n");
  const auto expected = lines(bytes);
  const GermanLocale german;
  if (!german) GTEST_SKIP() << GermanLocale::kNone;
  const auto content = lines(bytes);
  EXPECT_EQ(errors(), "");
  ASSERT_EQ(content.annotations.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(content.annotations[i].box, expected.annotations[i].box);
    EXPECT_EQ(content.details[i].segmentation, expected.details[i].segmentation);
  }
}

TEST_F(YoloLinesTest, LabelsOfGigabytesAreRefusedUnread) {
  std::filesystem::resize_file(folder_.write("labels/a.txt", ""), 3'000'000'000);
  read();
  EXPECT_THAT(errors(), HasSubstr("more than 64 MB"));
}

}  // namespace
}  // namespace rcnn::data
