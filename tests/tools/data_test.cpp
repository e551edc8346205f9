// rcnn data show, anchors and split.

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/images/image.h>

#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Drawn scenes in the VOC layout, and a COCO file of two of their images with a crowd.
class DataCommand : public testing::Test {
 protected:
  DataCommand() {
    tools::draw_scenes(scenes_, {.train = 8, .test = 3, .size = {64, 96}});
    folder_.write("gt.json", R"({"images": [{"id": 1, "file_name": "scene_00001.jpg"},
      {"id": 2, "file_name": "scene_00002.jpg"}], "categories": [{"id": 5, "name": "thing"}], "annotations": [
      {"id": 1, "image_id": 1, "category_id": 5, "bbox": [8, 8, 30, 20]},
      {"id": 2, "image_id": 2, "category_id": 5, "bbox": [8, 8, 30, 20], "iscrowd": 1}]})");
  }

  Finished run(std::vector<std::string> words) const {
    words.insert(words.begin(), "data");
    return run_rcnn(words, folder_.path());
  }
  std::set<std::string> files(const std::string& folder) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path() / folder))
      names.insert(entry.path().filename());
    return names;
  }

  const TempFolder folder_;
  const fs::path scenes_ = folder_.path() / "scenes";
  const std::string gt_ = folder_.path() / "gt.json", images_ = scenes_ / "JPEGImages";
  const std::string out_ = folder_.path() / "out";
};

TEST_F(DataCommand, ShowDrawsPagesOfEachPart) {
  const auto shown = run({"show", scenes_, "--output", out_});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.err, AllOf(HasSubstr("train: 8 of 8 images on 1 page"), HasSubstr("test: 3 of 3")));
  EXPECT_EQ(files("out"), (std::set<std::string>{"test_1.jpg", "train_1.jpg"}));
  EXPECT_GT(data::read_image(out_ + "/train_1.jpg").size(1), 2000);

  EXPECT_THAT(error_of(run({"show", scenes_, "--output", out_}), 2), HasSubstr("already in use"));
  EXPECT_THAT(error_of(run({"show", scenes_, "--split", "val", "--output", out_ + "2"}), 3),
              HasSubstr("there are: test, train"));
  EXPECT_FALSE(fs::exists(out_ + "2"));
}

TEST_F(DataCommand, ShowChoosesByItsSeed) {
  const auto page = [&](const std::string& seed, const std::string& folder) {
    const auto shown = run({"show", scenes_, "--split", "train", "--count", "3", "--seed", seed, "--output",
                            folder_.path() / folder});
    EXPECT_THAT(shown.err, HasSubstr("train: 3 of 8 images"));
    return file_bytes(folder_.path() / folder / "train_1.jpg");
  };
  const auto first = page("0", "a");
  EXPECT_EQ(page("0", "b"), first);
  EXPECT_NE(page("5", "c"), first);
}

TEST_F(DataCommand, ShowTakesCocoFiles) {
  EXPECT_THAT(error_of(run({"show", gt_, "--output", out_}), 3), HasSubstr("--images"));
  const auto shown = run({"show", gt_, "--images", images_, "--output", out_});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(files("out"), std::set<std::string>{"gt_1.jpg"});
}

TEST_F(DataCommand, ShowGoesOnPastImagesThatCannotBeRead) {
  std::ofstream(images_ + "/scene_00002.jpg") << "text";  // seen on opening
  const auto third = file_bytes(images_ + "/scene_00003.jpg");
  std::ofstream(images_ + "/scene_00003.jpg") << third.substr(0, third.size() - 400);  // cut off
  const auto shown = run({"show", scenes_, "--split", "train", "--output", out_});
  EXPECT_EQ(shown.exit_code, 3);
  EXPECT_THAT(shown.err, AllOf(HasSubstr("scene_00002.jpg"), HasSubstr("scene_00003.jpg"),
                               HasSubstr("6 of 6 images"), HasSubstr("not everything could be shown")));
  EXPECT_EQ(files("out"), std::set<std::string>{"train_1.jpg"});
}

TEST_F(DataCommand, AnchorsAreMeasuredAtTrainingScale) {
  const std::string config = folder_.write("tiny.json", tiny_config());
  const auto text = run({"anchors", scenes_, config});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("each box of train "), HasSubstr("(64 to 96 pixels)"),
                    HasSubstr("sizes [16, 32, 64]"), HasSubstr("strides [16]"), HasSubstr("  circle")));

  const auto json = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"anchors", scenes_, config, "--json"});
    const auto finished = run(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return nlohmann::json::parse(finished.out);
  };
  const auto plain = json({}), test = json({"--split", "test"});
  EXPECT_LT(test["anchors"]["all"]["boxes"], plain["anchors"]["all"]["boxes"]);
  int64_t by_size = 0;
  for (const auto& [size, reach] : plain["anchors"]["by_size"].items())
    by_size += reach["boxes"].get<int64_t>();
  EXPECT_EQ(plain["anchors"]["all"]["boxes"], by_size);

  // Anchors as large as the image: others are suggested, and are better when they are taken.
  const auto poor = json({"model.rpn.anchors.sizes=[300, 400]"});
  EXPECT_EQ(poor["anchors"]["sizes"], (std::vector<double>{300, 400}));
  const auto& suggestion = poor["suggestion"];
  ASSERT_TRUE(suggestion.is_object()) << poor;
  const auto taken = json({"model.rpn.anchors.sizes=" + suggestion["sizes"].dump(),
                           "model.rpn.anchors.ratios=" + suggestion["ratios"].dump()});
  EXPECT_EQ(taken["anchors"], suggestion);
  // The drawn objects are smaller than the stride of 16 pixels, so that even the best anchors lie off them.
  EXPECT_LT(poor["anchors"]["all"]["mean_best_iou"], 0.05);
  EXPECT_GT(taken["anchors"]["all"]["mean_best_iou"], 0.25);
  const auto words = run({"anchors", scenes_, config, "model.rpn.anchors.sizes=[300, 400]"});
  EXPECT_THAT(words.out, AllOf(HasSubstr("'model.rpn.anchors.sizes=["), HasSubstr("would reach more")));
}

TEST_F(DataCommand, AnchorsOfAPyramidNeedASizeForEachLevel) {
  const std::string config = folder_.write("fpn.json", R"({"model": {"type": "faster_rcnn",
    "backbone": {"type": "resnet18", "levels": ["c2", "c3", "c4", "c5"]}, "neck": {"type": "fpn", "channels": 8},
    "rpn": {"anchors": {"sizes": [8, 16, 32, 64, 128]}}},
    "data": {"root": "scenes", "min_size": 64, "max_size": 96}})");
  const auto text = run({"anchors", config, config});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("strides [4, 8, 16, 32, 64]"));
  EXPECT_THAT(error_of(run({"anchors", scenes_, config, "model.rpn.anchors.sizes=[8]"}), 2),
              HasSubstr("one size for each of the 5 levels"));
  EXPECT_THAT(error_of(run({"anchors", scenes_, config, "model.rpn.anchor.sizes=[8]"}), 2),
              HasSubstr("anchors"));
}

TEST_F(DataCommand, SplitWritesListsForVoc) {
  const auto split =
      run({"split", scenes_, "--split", "train", "--output", out_, "--parts", "a=0.75,b=0.25"});
  EXPECT_EQ(split.exit_code, 0) << split.err;
  EXPECT_THAT(split.out, AllOf(HasSubstr("circle"), testing::ContainsRegex("all +6 +2\n")));
  EXPECT_EQ(files("out"), (std::set<std::string>{"a.txt", "b.txt"}));
  EXPECT_THAT(
      error_of(run({"split", scenes_, "--split", "train", "--output", out_, "--parts", "b=0.5,c=0.5"}), 2),
      HasSubstr("b.txt: is there already"));
  EXPECT_EQ(files("out"), (std::set<std::string>{"a.txt", "b.txt"}));
}

TEST_F(DataCommand, SplitWritesInstancesForCoco) {
  const auto split =
      run({"split", gt_, "--images", images_, "--output", out_, "--parts", "x=0.5", "--parts", "y=0.5"});
  EXPECT_EQ(split.exit_code, 0) << split.err;
  EXPECT_EQ(files("out"), (std::set<std::string>{"instances_x.json", "instances_y.json"}));
  EXPECT_EQ(nlohmann::json::parse(std::ifstream(out_ + "/instances_x.json"))["images"].size(), 1u);
}

TEST_F(DataCommand, SplitSaysWhatIsWrong) {
  const auto error = [&](const std::string& parts, std::vector<std::string> more = {"--split", "train"}) {
    std::vector<std::string> words = {"split", scenes_, "--output", out_, "--parts", parts};
    words.insert(words.end(), more.begin(), more.end());
    return error_of(run(words), 2);
  };
  EXPECT_THAT(error("a=0.5,b=0.4"), HasSubstr("sum to 0.9"));
  EXPECT_THAT(error("a,b"), HasSubstr("NAME=SHARE"));
  EXPECT_THAT(error("a=x,b=0.5"), HasSubstr("\"a=x\""));
  EXPECT_THAT(error("a=0.5,b=0.5", {}), HasSubstr("choose one with --split: test, train"));
  EXPECT_FALSE(fs::exists(out_));
}

}  // namespace
}  // namespace rcnn::tools
