#include "eval/input/path_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::eval {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::vector<std::string_view> kPaths = {"cam1/0001.png", "cam2/0001.png",   "a.jpg", "train/a.jpg",
                                              "x/train/b.jpg", "y\\train\\b.jpg", "",      "train/c.jpg"};

TEST(PathParts, AreTheLastFirst) {
  EXPECT_THAT(path_parts("/data/./train//a.jpg"), ElementsAre("a.jpg", "train", "data"));
  EXPECT_THAT(path_parts("x/../train/a.jpg"), ElementsAre("a.jpg", "train"));
  EXPECT_THAT(path_parts("C:\\data\\a.jpg"), ElementsAre("a.jpg", "data", "C:"));
  EXPECT_THAT(path_parts("../a.jpg"), ElementsAre("a.jpg"));
  EXPECT_THAT(path_parts(""), IsEmpty());
  EXPECT_THAT(path_parts("//"), IsEmpty());
}

TEST(PathIndex, FindsTheLongestEndInCommon) {
  const PathIndex index(kPaths);
  const auto places = [&](std::string_view path) {
    const auto found = index.find(path);
    return std::vector<uint32_t>(found.places.begin(), found.places.end());
  };
  EXPECT_THAT(places("cam2/0001.png"), ElementsAre(1));
  EXPECT_THAT(places("/home/me/cam1/0001.png"), ElementsAre(0));
  EXPECT_THAT(places("0001.png"), UnorderedElementsAre(0, 1));
  EXPECT_THAT(places("cam3/0001.png"), UnorderedElementsAre(0, 1));
  EXPECT_THAT(places("a.jpg"), ElementsAre(2)) << "the whole of it, although train/a.jpg ends so, too";
  EXPECT_THAT(places("photos/a.jpg"), ElementsAre(2));
  EXPECT_THAT(places("photos/train/a.jpg"), ElementsAre(3));
  EXPECT_THAT(places("train/b.jpg"), UnorderedElementsAre(4, 5));
  EXPECT_THAT(places("other/y/train/b.jpg"), ElementsAre(5)) << "both kinds of slashes separate";
  EXPECT_THAT(places("c.jpg"), ElementsAre(7));
  EXPECT_THAT(places("z.jpg"), IsEmpty());
  EXPECT_THAT(places("train"), IsEmpty());
  EXPECT_THAT(places(""), IsEmpty());
}

TEST(PathIndex, KnowsWhatWasFoundAndWhetherFoldersDiffer) {
  const PathIndex index(kPaths);
  const auto found = index.find("cam3/0001.png");
  EXPECT_TRUE(found.folders_differ);
  EXPECT_TRUE(index.has(found, 0));
  EXPECT_TRUE(index.has(found, 1));
  EXPECT_FALSE(index.has(found, 2));
  EXPECT_FALSE(index.has(index.find("z.jpg"), 0));
  EXPECT_FALSE(index.find("photos/a.jpg").folders_differ);
  EXPECT_FALSE(index.find("c.jpg").folders_differ);
  EXPECT_TRUE(index.find("test/c.jpg").folders_differ);
}

}  // namespace
}  // namespace rcnn::eval
