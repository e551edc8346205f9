#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include <rcnn/config/config.h>

namespace rcnn::config {
namespace {

class DataPathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* folder = std::getenv("RCNN_DATA")) before_ = folder;
  }
  void TearDown() override {
    before_.empty() ? unsetenv("RCNN_DATA") : setenv("RCNN_DATA", before_.c_str(), 1);
  }

 private:
  std::string before_;
};

TEST_F(DataPathTest, RelativePathsLieUnderTheFolderTheEnvironmentNames) {
  setenv("RCNN_DATA", "/sets", 1);
  EXPECT_EQ(data_path("VOC2007/JPEGImages"), "/sets/VOC2007/JPEGImages");
}

TEST_F(DataPathTest, TheFolderIsDataWhenTheEnvironmentNamesNone) {
  unsetenv("RCNN_DATA");
  EXPECT_EQ(data_path("VOC2007"), "data/VOC2007");
  setenv("RCNN_DATA", "", 1);
  EXPECT_EQ(data_path("VOC2007"), "data/VOC2007");
}

TEST_F(DataPathTest, AbsolutePathsStayAsTheyAre) {
  setenv("RCNN_DATA", "/sets", 1);
  EXPECT_EQ(data_path("/mnt/coco"), "/mnt/coco");
}

}  // namespace
}  // namespace rcnn::config
