#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/images/image.h>

#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DataConvertCommand : public testing::Test {
 protected:
  DataConvertCommand() {
    data::write_image(folder_.write("yolo/images/train/a.jpg", ""), at::full({10, 20, 3}, 128, at::kByte));
    folder_.write("yolo/labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n");
  }
  Finished convert(const std::string& from, const std::string& to, const std::string& output,
                   std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"data", "convert",  (folder_.path() / from).string(),  "--to",
                                      to,     "--output", (folder_.path() / output).string()};
    words.insert(words.end(), more.begin(), more.end());
    return run_rcnn(words);
  }
  TempFolder folder_;
};

TEST_F(DataConvertCommand, YoloBecomesWhatTheOthersReadAndCheckAccepts) {
  EXPECT_THAT(error_of(convert("yolo", "coco", "coco"), 3),
              AllOf(HasSubstr("classes.txt"), HasSubstr("--classes")));
  const auto classes = folder_.write("names.txt", "cell\n");
  const auto finished = convert("yolo", "coco", "coco", {"--classes", classes});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("train: 1 images, 1 objects"));
  EXPECT_EQ(convert("coco", "voc", "voc", {"--copy"}).exit_code, 0);
  for (const char* result : {"coco", "voc"}) {
    const auto checked = run_rcnn({"data", "check", (folder_.path() / result).string()});
    EXPECT_EQ(checked.exit_code, 0) << checked.out;
    EXPECT_THAT(checked.out, testing::ContainsRegex("cell +1 +1 +0\n"));
  }
}

TEST_F(DataConvertCommand, RefusesWhatItMustNot) {
  EXPECT_THAT(error_of(convert("yolo", "tfrecord", "out"), 2),
              HasSubstr("tfrecord not in {voc,coco,yolo,labelme}"));
  EXPECT_THAT(error_of(convert("none", "coco", "out"), 3), HasSubstr("there is no such file or folder"));
  folder_.write("yolo/classes.txt", "cell\n");
  EXPECT_THAT(error_of(convert("yolo", "coco", "yolo"), 2), HasSubstr("already in use"));
}

}  // namespace
}  // namespace rcnn::tools
