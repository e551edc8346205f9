#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/format.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/error.h>

#include "tests/data/formats/base_set.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using base_set::entries;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

/// The beginning of a file as CVAT exports a task (docs.cvat.ai, "XML annotation format", version 1.1).
std::string cvat_meta(const std::string& more = "<size>4</size>") {
  return R"(<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>4</id>
      <name>pets</name>
      )" +
         more +
         R"(
      <mode>annotation</mode>
      <labels>
        <label><name>cat</name><color>#fa3253</color><type>any</type><attributes>
          <attribute><name>age</name><mutable>False</mutable><input_type>number</input_type></attribute>
          <attribute><name>asleep</name><mutable>True</mutable><input_type>checkbox</input_type></attribute>
        </attributes></label>
        <label><name>dog</name><type>rectangle</type><attributes></attributes></label>
        <label><name>bird</name><type>polygon</type><attributes></attributes></label>
        <label><name>beak</name><type>points</type><attributes></attributes></label>
      </labels>
    </task>
    <dumped>2026-11-30 10:00:00.000000+00:00</dumped>
  </meta>
)";
}

std::string cvat_box(const base_set::Entry& entry) {
  return fmt::format(
      R"(<box label="{}" source="manual" occluded="0" xtl="{:.2f}" ytl="{:.2f}" xbr="{:.2f}" ybr="{:.2f}" z_order="0"></box>)",
      entry.class_name, entry.box.x1, entry.box.y1, entry.box.x2, entry.box.y2);
}

std::string cvat_image(const std::string& name, const std::string& shapes, const std::string& more = "") {
  return fmt::format(R"(<image id="0" name="{}" {} width="200" height="150">{}</image>)", name, more, shapes);
}

std::string cvat_frame_box(int frame, bool outside, std::array<double, 4> corners, bool keyframe = true) {
  const auto [x1, y1, x2, y2] = corners;
  return fmt::format(
      R"(<box frame="{}" keyframe="{:d}" outside="{:d}" occluded="0" xtl="{:.2f}" ytl="{:.2f}" xbr="{:.2f}" ybr="{:.2f}" z_order="0"></box>)",
      frame, keyframe, outside, x1, y1, x2, y2);
}

class Cvat : public testing::Test {
 protected:
  std::filesystem::path root() const { return folder_.path() / "set"; }

  void write(const std::string& name, std::string_view text) { folder_.write("set/" + name, text); }

  void write_image_file(const std::string& name) {
    std::filesystem::create_directories((root() / name).parent_path());
    write_image(root() / name, at::full({150, 200, 3}, 90, at::kByte));
  }

  void write_frames(int count, int first = 0) {
    for (int i = first; i < first + count; ++i) write_image_file(fmt::format("images/frame_{:06d}.png", i));
  }

  /// Bad boxes are errors, which show their values as warnings do.
  std::vector<AnnotatedPart> read(LocateOptions options = {}) {
    problems_ = {};
    options.bad_boxes = Policy::stop;
    return read_parts(locate(root(), options), problems_);
  }

  /// What the shapes of one image are read as.
  AnnotatedPart read_shapes(const std::string& shapes) {
    write_image_file("images/a.png");
    write("annotations.xml", cvat_meta() + cvat_image("a.png", shapes) + "</annotations>");
    return read().at(0);
  }

  /// The boxes of the objects by the frames' names.
  static std::vector<std::pair<std::string, std::array<double, 4>>> boxes_of(const AnnotatedPart& part) {
    std::vector<std::pair<std::string, std::array<double, 4>>> boxes;
    for (const auto& annotation : part.content.annotations) {
      const auto& image = *std::ranges::find(part.content.images, annotation.image_id, &CocoImage::id);
      boxes.emplace_back(image.name, annotation.box);
    }
    return boxes;
  }

  std::string text(Severity severity) const { return problems_.text(severity); }

  TempFolder folder_;
  Problems problems_;
};

TEST_F(Cvat, FourBoxesOfImages) {
  std::string xml = cvat_meta();
  for (const auto& entry : entries()) xml += cvat_image(entry.id + ".png", cvat_box(entry));
  write("annotations.xml", xml + "</annotations>");
  std::filesystem::create_directories(root() / "images");
  base_set::write_images(root() / "images");
  for (const auto& place : {root(), root() / "annotations.xml"}) {
    const auto parts = locate(place);
    ASSERT_EQ(parts.size(), 1u);
    EXPECT_EQ(parts[0].options.type, "cvat");
    Problems problems;
    const auto dataset = open(parts[0].options, parts[0].split, problems);
    base_set::expect_records(*dataset);
    EXPECT_EQ(dataset->categories().size(), 3u)
        << "a label without an object is a class, one of points is not";
    EXPECT_FALSE(problems.has(Severity::error));
  }
}

TEST_F(Cvat, FourBoxesOfTracks) {
  std::string xml = cvat_meta("<size>4</size><start_frame>0</start_frame><stop_frame>3</stop_frame>");
  for (int i = 0; i < 4; ++i) {
    const auto& [id, class_name, b] = entries()[static_cast<size_t>(i)];
    xml += fmt::format(R"(<track id="{}" label="{}" source="manual">)", i, class_name) +
           cvat_frame_box(i, false, {b.x1, b.y1, b.x2, b.y2}) +
           cvat_frame_box(i + 1, true, {b.x1, b.y1, b.x2, b.y2}) + "</track>";
  }
  write("annotations.xml", xml + "</annotations>");
  // A task that was made from images.
  std::filesystem::create_directories(root() / "images");
  base_set::write_images(root() / "images");
  const auto parts = locate(root());
  Problems problems;
  base_set::expect_records(*open(parts.at(0).options, parts[0].split, problems));
}

TEST_F(Cvat, BoxesBetweenKeyFramesAreInterpolated) {
  write_frames(10);
  write("annotations.xml",
        cvat_meta("<size>10</size><start_frame>0</start_frame><stop_frame>9</stop_frame>") +
            R"(<track id="7" label="dog" source="manual">)" + cvat_frame_box(1, false, {10, 20, 30, 40}) +
            cvat_frame_box(5, false, {50, 20, 90, 48}) + cvat_frame_box(6, true, {50, 20, 90, 48}) +
            cvat_frame_box(8, false, {0, 0, 8, 8}) + "</track></annotations>");
  const auto part = read().at(0);
  EXPECT_THAT(problems_.kinds(), IsEmpty()) << text(Severity::error) << text(Severity::warning);
  EXPECT_EQ(part.content.images.size(), 10u) << "frames without an object are background";
  EXPECT_THAT(boxes_of(part), ElementsAre(Pair("frame_000001", std::array{10., 20., 20., 20.}),
                                          Pair("frame_000002", std::array{20., 20., 25., 22.}),
                                          Pair("frame_000003", std::array{30., 20., 30., 24.}),
                                          Pair("frame_000004", std::array{40., 20., 35., 26.}),
                                          Pair("frame_000005", std::array{50., 20., 40., 28.}),
                                          Pair("frame_000008", std::array{0., 0., 8., 8.}),
                                          // CVAT's get_interpolated_shapes: the last shape stays to the end.
                                          Pair("frame_000009", std::array{0., 0., 8., 8.})));
  EXPECT_THAT(part.content.details.at(1).attributes,
              ElementsAre(Pair("occluded", "false"), Pair("track_id", "7"), Pair("keyframe", "false")));
  EXPECT_EQ(part.place(part.content.images[1], part.content.annotations[0]),
            "annotations.xml: frame_000001.png track 7");
}

TEST_F(Cvat, FramesOfATaskWithAStepAreCountedInTheVideo) {
  for (const int frame : {10, 12, 14, 16}) write_image_file(fmt::format("images/frame_{}.png", frame));
  write_image_file("images/frame_11.png");
  write("annotations.xml", cvat_meta("<size>3</size><start_frame>10</start_frame><stop_frame>14</stop_frame>"
                                     "<frame_filter>step=2</frame_filter>") +
                               R"(<track id="0" label="dog">)" + cvat_frame_box(10, false, {0, 0, 10, 10}) +
                               cvat_frame_box(14, false, {20, 0, 30, 10}) + "</track></annotations>");
  const auto part = read().at(0);
  EXPECT_THAT(boxes_of(part), ElementsAre(Pair("frame_10", std::array{0., 0., 10., 10.}),
                                          Pair("frame_12", std::array{10., 0., 10., 10.}),
                                          Pair("frame_14", std::array{20., 0., 10., 10.})));
  EXPECT_THAT(text(Severity::warning), HasSubstr("not of the task is left out: frame_11.png, frame_16.png"));
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
}

TEST_F(Cvat, FramesThatAreNotThereAreErrorsThatSayHowToExtractThem) {
  const auto xml = cvat_meta("<size>3</size>") + R"(<track id="0" label="dog">)" +
                   cvat_frame_box(0, false, {0, 0, 10, 10}) + cvat_frame_box(2, false, {20, 0, 30, 10}) +
                   "</track></annotations>";
  write("annotations.xml", xml);
  EXPECT_THAT(message_of<DataError>([&] { read(); }),
              AllOf(HasSubstr("ffmpeg"), HasSubstr("-start_number 0 images/frame_%06d.png")));
  write_frames(3, 1);
  EXPECT_THAT(message_of<DataError>([&] { read(); }), HasSubstr("numbered from 1, CVAT counts from 0"));
  std::filesystem::remove_all(root() / "images");
  write_frames(1);
  read();
  EXPECT_THAT(text(Severity::error),
              AllOf(HasSubstr("track 0 frame 2"), HasSubstr("track 0 frames between 0 and 2"),
                    HasSubstr("bad_images=skip leaves it out")));
  const auto part = read({.bad_images = Policy::skip}).at(0);
  EXPECT_FALSE(problems_.has(Severity::error));
  EXPECT_EQ(part.content.annotations.size(), 1u);
}

TEST_F(Cvat, EachShapeWithAnAreaIsABox) {
  const auto part = read_shapes(
      R"(<polygon label="bird" occluded="1" points="10.00,20.00;50.00,5.00;40.00,60.25" z_order="2"/>
         <ellipse label="dog" occluded="0" cx="50" cy="60" rx="10" ry="20" rotation="90" z_order="0"/>
         <mask label="dog" occluded="0" rle="3, 2, 1" left="7" top="8" width="3" height="2" z_order="0"/>
         <box label="dog" occluded="0" xtl="40" ytl="50" xbr="60" ybr="70" rotation="45.00" z_order="0"/>
         <cuboid label="dog" occluded="0" xtl1="1" ytl1="2" xbl1="1" ybl1="12" xtr1="9" ytr1="2" xbr1="9" ybr1="12"
                 xtl2="3" ytl2="1" xbl2="3" ybl2="10" xtr2="14" ytr2="1" xbr2="14" ybr2="10" z_order="0"/>
         <polyline label="dog" points="1,2;3,4"/><points label="beak" points="1,2"/><tag label="dog"/>)");
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
  const auto& annotations = part.content.annotations;
  ASSERT_EQ(annotations.size(), 5u);
  EXPECT_EQ(annotations[0].box, (std::array{10., 5., 40., 55.25}));
  EXPECT_EQ(annotations[1].box, (std::array{30., 50., 40., 20.}));
  EXPECT_EQ(annotations[2].box, (std::array{7., 8., 3., 2.}));
  EXPECT_NEAR(annotations[3].box[0], 50 - 10 * std::sqrt(2), 1e-5);
  EXPECT_NEAR(annotations[3].box[3], 20 * std::sqrt(2), 1e-5);
  EXPECT_EQ(annotations[4].box, (std::array{1., 1., 13., 11.}));
  EXPECT_EQ(part.content.details[0].segmentation, "[[10, 20, 50, 5, 40, 60.25]]");
  EXPECT_THAT(part.content.details[0].attributes,
              ElementsAre(Pair("occluded", "true"), Pair("z_order", "2")));
  EXPECT_THAT(part.content.details[3].attributes,
              ElementsAre(Pair("occluded", "false"), Pair("rotation", "45")));
  EXPECT_THAT(text(Severity::warning),
              AllOf(HasSubstr("rotated shapes are taken for the upright boxes around them"),
                    HasSubstr("object 6 (<polyline>)"), HasSubstr("tags of images are left out")));
}

TEST_F(Cvat, AttributesHaveTheTypesThatTheirLabelStates) {
  const auto part = read_shapes(
      R"(<box label="cat" occluded="0" xtl="1" ytl="2" xbr="11" ybr="22" group_id="3"><attribute name="age">12</attribute>
         <attribute name="asleep">false</attribute><attribute name="name">5</attribute></box>)");
  EXPECT_THAT(part.content.details.at(0).attributes,
              ElementsAre(Pair("occluded", "false"), Pair("group_id", "3"), Pair("age", "12"),
                          Pair("asleep", "false"), Pair("name", "\"5\"")));
}

TEST_F(Cvat, SubsetsAreParts) {
  write_image_file("images/Train/a.png");
  write_image_file("images/Validation/a.png");
  write("annotations.xml",
        cvat_meta() + cvat_image("a.png", cvat_box(entries()[0]), R"(subset="Train" task_id="1")") +
            cvat_image("a.png", cvat_box(entries()[1]), R"(subset="Validation" task_id="2")") +
            "</annotations>");
  const auto parts = read();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "train");
  EXPECT_EQ(parts[1].name, "validation");
  EXPECT_EQ(parts[0].images, root() / "images/Train");
  EXPECT_EQ(parts[1].content.annotations.at(0).box, (std::array{60., 20., 120., 120.}));
  EXPECT_FALSE(problems_.has(Severity::error)) << text(Severity::error);
}

TEST_F(Cvat, NamesMayHaveFoldersAndFilesLieInFoldersOfParts) {
  for (const std::string part : {"train", "test"}) {
    write_image_file(part + "/images/day1/a.png");
    write_image_file(part + "/images/b.png");
    write(part + "/annotations.xml", cvat_meta() + cvat_image("day1/a.png", cvat_box(entries()[0])) +
                                         cvat_image("b.png", "") + "</annotations>");
  }
  const auto parts = read();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "test");
  EXPECT_EQ(parts[0].content.images.at(1).name, "day1/a");
  EXPECT_EQ(parts[0].images, root() / "test/images");
}

TEST_F(Cvat, WhatIsWrongIsSaidAtOnceWithItsValue) {
  read_shapes(
      R"(<box label="dog" xtl="nan" ytl="2" xbr="11" ybr="22"/><box label="dog" xtl="1" ytl="2" xbr="11"/>
                 <box xtl="1" ytl="2" xbr="11" ybr="22"/><polygon label="dog" points="1,2;3,x;4,5"/>
                 <polygon label="dog" points="1,2;3,4"/><box label="dog" occluded="maybe" xtl="1" ytl="2" xbr="11" ybr="22"/>
                 <blob label="dog"/><box label="dog" xtl="-1e308" ytl="2" xbr="1e308" ybr="22"/>)");
  EXPECT_THAT(
      text(Severity::error),
      AllOf(HasSubstr("annotations.xml: a.png object 1 (xtl=\"nan\")"), HasSubstr("object 2 (ybr=\"\")"),
            HasSubstr("<box> has no label: annotations.xml: a.png object 3"),
            HasSubstr("object 4 (points=\"1,2;3,x;4,5\")"), HasSubstr("object 5 (points=\"1,2;3,4\")"),
            HasSubstr("object 8 (xtl=\"-1e308\")")));
  EXPECT_THAT(text(Severity::warning),
              AllOf(HasSubstr("object 6 (\"maybe\")"), HasSubstr("object 7 (<blob>)")));
}

TEST_F(Cvat, WrongTracksAreErrors) {
  write_frames(2);
  const auto with_track = [&](const std::string& boxes) {
    write("annotations.xml",
          cvat_meta("<size>2</size>") + R"(<track id="3" label="dog">)" + boxes + "</track></annotations>");
    read();
    return text(Severity::error);
  };
  EXPECT_THAT(with_track(cvat_frame_box(0, false, {0, 0, 1, 1}) + cvat_frame_box(0, false, {0, 0, 2, 2})),
              HasSubstr("two shapes in one frame: annotations.xml: track 3 frame 0"));
  EXPECT_THAT(with_track(R"(<box frame="x" outside="0" xtl="0" ytl="0" xbr="1" ybr="1"/>)"),
              HasSubstr("frame=\"x\""));
  EXPECT_THAT(with_track(R"(<box frame="0" outside="2" xtl="0" ytl="0" xbr="1" ybr="1"/>)"),
              HasSubstr("outside=\"2\""));
}

TEST_F(Cvat, MissingImagesAreBadImagesAndDamagedFilesErrors) {
  write_image_file("images/a.png");
  write("annotations.xml", cvat_meta() + cvat_image("a.png", cvat_box(entries()[0])) +
                               cvat_image("gone.png", "") + "</annotations>");
  read();
  EXPECT_THAT(text(Severity::error), HasSubstr("annotations.xml: gone.png"));
  write("annotations.xml", cvat_meta() + "<image>");
  EXPECT_THAT(message_of<DataError>([&] { read(); }),
              AllOf(HasSubstr("annotations.xml: no valid XML: line"), Not(HasSubstr("line 1:"))));
  write("annotations.xml", cvat_meta().insert(39, "<!DOCTYPE a [<!ENTITY b \"c\">]>") + "</annotations>");
  EXPECT_THAT(message_of<DataError>([&] { read(); }), HasSubstr("DOCTYPE"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  write("annotations.xml", cvat_meta() + deep);
  EXPECT_THAT(message_of<DataError>([&] { read(); }), HasSubstr("no valid XML"));
}

TEST_F(Cvat, OtherFormatsAreNotTakenForIt) {
  write("a.xml", "<annotation><filename>a.png</filename><object><name>dog</name></object></annotation>");
  write("b.xml", "<?xml version=\"1.0\"?><!-- <annotations><meta> --><other/>");
  EXPECT_THAT(formats().at("cvat").parts(Place(root()), {}), IsEmpty());
}

}  // namespace
}  // namespace rcnn::data
