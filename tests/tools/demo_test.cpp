#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

TEST(Demo, GoesFromNothingToPictures) {
  const TempFolder folder;
  const auto output = folder.path() / "demo";
  const auto demo = run_rcnn({"demo", "--output", output, "train.iterations=10", "data.test.limit=4"});
  ASSERT_EQ(demo.exit_code, 0) << demo.err;
  EXPECT_EQ(demo.out, "");
  for (const char* file : {"scenes/ImageSets/Main/train.txt", "run/config.json", "run/last.safetensors",
                           "run/metrics.jsonl", "detections/detections.json"}) {
    EXPECT_TRUE(fs::exists(output / file)) << file;
  }
  int pictures = 0;
  for (const auto& entry : fs::directory_iterator(output / "detections")) {
    pictures += entry.path().extension() == ".jpg";
  }
  EXPECT_EQ(pictures, 12);
}

}  // namespace
}  // namespace rcnn::tools
