#include <gtest/gtest.h>

#include <rcnn/data/formats/voc_file.h>

#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

TEST(VocFile, WhatIsWrittenIsReadBack) {
  const TempFolder folder;
  const auto path = folder.path() / "a.xml";
  const VocFile file{.file_name = "ä & <b>.jpg",
                     .id = 40000000000,
                     .size = ImageSize{30, 40},
                     .objects = {{.name = "cat & dog",
                                  .corners = {1.25, 2, 3.0000000001, 4e-7},
                                  .difficult = true,
                                  .others = {{"pose", "Left"}, {"segmentation", "[[1, 2]]"}, {"note", ""}}},
                                 {.name = "b"}}};
  write_voc_file(path, file);
  Problems problems;
  const auto back = read_voc_file(path, "a.xml", problems);
  ASSERT_TRUE(back);
  EXPECT_TRUE(problems.kinds().empty());
  EXPECT_EQ(back->file_name, file.file_name);
  EXPECT_EQ(back->id, file.id);
  EXPECT_EQ(back->size, file.size);
  ASSERT_EQ(back->objects.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back->objects[i].name, file.objects[i].name);
    EXPECT_EQ(back->objects[i].corners, file.objects[i].corners);
    EXPECT_EQ(back->objects[i].difficult, file.objects[i].difficult);
    EXPECT_EQ(back->objects[i].others, file.objects[i].others);
    EXPECT_EQ(back->objects[i].position, static_cast<int64_t>(i) + 1);
  }
}

TEST(VocFile, ObjectsThatAreWrongAreLeftOutAndPartsAreSeen) {
  const TempFolder folder;
  const std::string box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>";
  const auto path =
      folder.write("a.xml", "<annotation><object>" + box + "</object><object><name>cat</name>" + box +
                                "<part><name>head</name>" + box + "</part></object></annotation>");
  Problems problems;
  const auto file = read_voc_file(path, "a.xml", problems);
  ASSERT_TRUE(file);
  ASSERT_EQ(file->objects.size(), 1u);
  EXPECT_EQ(file->objects[0].position, 2);
  EXPECT_TRUE(file->objects[0].parts);
  EXPECT_TRUE(file->objects[0].others.empty());
  EXPECT_FALSE(file->size);
  EXPECT_EQ(problems.text(Severity::error), "\n  an object has no <name>: a.xml object 1");
}

TEST(VocFile, OtherEncodingsAreRead) {
  const TempFolder folder;
  const auto path =
      folder.write("a.xml",
                   "<?xml version=\"1.0\" "
                   "encoding=\"iso-8859-1\"?><annotation><filename>b\xe4r.jpg</filename></annotation>");
  Problems problems;
  EXPECT_EQ(read_voc_file(path, "a.xml", problems)->file_name, "b\xc3\xa4r.jpg");
}

}  // namespace
}  // namespace rcnn::data
