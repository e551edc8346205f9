#include "tools/rcnn/demo/scenes.h"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/data/images/image.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tools/rcnn/demo/scene.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::map<std::string, std::string> files_below(const fs::path& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) files[fs::relative(entry.path(), root)] = file_bytes(entry.path());
  }
  return files;
}

TEST(Scene, BoxesAreTightAroundWhatCanBeSeen) {
  std::set<size_t> shapes;
  int difficult = 0, truncated = 0;
  double smallest = 1e9, largest = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Scene scene = draw_scene({192, 256}, seed);
    ASSERT_EQ(scene.image.sizes(), (std::vector<int64_t>{192, 256, 3}));
    ASSERT_GE(scene.objects.size(), 1u);
    ASSERT_LE(scene.objects.size(), 6u);
    for (size_t i = 0; i < scene.objects.size(); ++i) {
      const SceneObject& object = scene.objects[i];
      int left = 256, top = 192, right = -1, bottom = -1;
      for (int y = 0; y < 192; ++y) {
        for (int x = 0; x < 256; ++x) {
          if (scene.owners.at<uint8_t>(y, x) != i + 1) continue;
          left = std::min(left, x);
          right = std::max(right, x);
          top = std::min(top, y);
          bottom = std::max(bottom, y);
        }
      }
      EXPECT_EQ(object.box, cv::Rect(left, top, right - left + 1, bottom - top + 1)) << "seed " << seed;
      EXPECT_GE(std::min(object.box.width, object.box.height), 3) << "seed " << seed;
      shapes.insert(object.shape);
      difficult += object.difficult;
      truncated += object.truncated;
      if (!object.truncated && !object.difficult) {
        smallest = std::min<double>(smallest, std::max(object.box.width, object.box.height));
        largest = std::max<double>(largest, std::max(object.box.width, object.box.height));
      }
    }
  }
  EXPECT_EQ(shapes.size(), kShapes.size());
  EXPECT_GT(difficult, 0);
  EXPECT_GT(truncated, 0);
  EXPECT_LT(smallest, 20);
  EXPECT_GT(largest, 85);
}

TEST(Scene, GrowsWithItsPicture) {
  double longest = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (const SceneObject& object : draw_scene({768, 1024}, seed).objects) {
      longest = std::max<double>(longest, std::max(object.box.width, object.box.height));
    }
  }
  EXPECT_GT(longest, 200);
}

TEST(Scenes, TheSameOptionsGiveTheSameFiles) {
  const TempFolder folder;
  const SceneOptions options{.train = 6, .test = 4, .size = {96, 128}, .seed = 11};
  draw_scenes(folder.path() / "a", options);
  draw_scenes(folder.path() / "b", options);
  const auto a = files_below(folder.path() / "a");
  EXPECT_EQ(a.size(), 2u * 10 + 2);
  EXPECT_EQ(a, files_below(folder.path() / "b"));

  draw_scenes(folder.path() / "c", {.train = 6, .test = 4, .size = {96, 128}, .seed = 12});
  EXPECT_NE(a, files_below(folder.path() / "c"));
}

TEST(Scenes, AreReadBackWithoutAWarning) {
  const TempFolder folder;
  draw_scenes(folder.path(), {.train = 60, .test = 20, .seed = 4});
  testing::internal::CaptureStderr();
  const auto train = data::read_voc({.root = folder.path(), .split = "train"});
  const auto test = data::read_voc({.root = folder.path(), .split = "test"});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");

  ASSERT_EQ(train->size(), 60);
  ASSERT_EQ(test->size(), 20);
  std::set<std::string> names, ids;
  for (const Category& category : train->categories()) names.insert(category.name);
  EXPECT_EQ(names, std::set<std::string>(kShapes.begin(), kShapes.end()));
  EXPECT_EQ(train->categories(), test->categories());
  for (const auto& split : {train, test}) {
    for (int64_t i = 0; i < split->size(); ++i) ids.insert(split->record(i).id);
  }
  EXPECT_EQ(ids.size(), 80u);
  EXPECT_EQ(train->image(0).sizes(), (std::vector<int64_t>{192, 256, 3}));
  for (const data::Object& object : train->record(0).objects)
    EXPECT_GT(object.box.width() * object.box.height(), 0);
}

TEST(Scenes, WriteOnlyToANewPlace) {
  const TempFolder folder;
  const auto mine = folder.write("mine.txt", "precious");
  EXPECT_THAT(message_of<ConfigError>([&] { draw_scenes(folder.path(), {}); }), HasSubstr("already in use"));
  EXPECT_THAT(message_of<ConfigError>([&] { draw_scenes(mine, {}); }), HasSubstr("mine.txt"));
  EXPECT_THAT(message_of<ConfigError>([&] { draw_scenes(mine / "below", {}); }), HasSubstr("cannot be made"));
  EXPECT_EQ(file_bytes(mine), "precious");
  EXPECT_THROW(draw_scenes(folder.path() / "a", {.train = 0, .test = 0}), c10::Error);
  EXPECT_THROW(draw_scenes(folder.path() / "a", {.size = {4, 4}}), c10::Error);
}

}  // namespace
}  // namespace rcnn::tools
