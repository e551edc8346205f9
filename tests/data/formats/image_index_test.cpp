#include "data/formats/image_index.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

TEST(ImageIndex, TheNearestOfAnImagesNameIsTaken) {
  const TempFolder folder;
  for (const char* name :
       {"a_folder_of_a_long_name/train/a.jpg", "images/train/a.jpg", "images/val/a.jpg", "only.PNG"})
    folder.write(name, "");
  const ImageIndex index{Place(folder.path())};
  EXPECT_EQ(index.find("train/a.jpg", "a_folder_of_a_long_name"), "a_folder_of_a_long_name/train/a.jpg")
      << "from the folder of the annotations";
  EXPECT_EQ(index.find("images/val/a.jpg", "a_folder_of_a_long_name"), "images/val/a.jpg") << "from the top";
  EXPECT_EQ(index.find("/home/you/images/val/a.jpg", ""), "images/val/a.jpg") << "another computer's path";
  EXPECT_EQ(index.find("D:\\set\\images\\train\\a.jpg", "images"), "images/train/a.jpg");
  EXPECT_EQ(index.find("a", "images/val"), "images/val/a.jpg") << "without its ending";
  EXPECT_EQ(index.find("only.png", "images"), "only.PNG");
  EXPECT_EQ(index.find("a.jpg", ""), std::nullopt) << "three are equally near";
  EXPECT_EQ(index.find("b.jpg", ""), std::nullopt);
  for (const char* name : {"x/images/day1/c.jpg", "y/images/day1/c.jpg"}) folder.write(name, "");
  EXPECT_EQ(ImageIndex(Place(folder.path())).find("day1/c.jpg", "y"), "y/images/day1/c.jpg")
      << "of those whose paths end alike the nearest";
  EXPECT_TRUE(index.has("x/A.JPG"));
  EXPECT_FALSE(index.has("b.jpg"));
}

}  // namespace
}  // namespace rcnn::data
