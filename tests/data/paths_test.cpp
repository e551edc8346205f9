#include "data/paths.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include <rcnn/data/paths.h>

#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

TEST(LiesInside, LinksAndDotsAreFollowed) {
  const TempFolder temp;
  const auto folder = temp.path() / "set";
  const auto inside = temp.write("set/deep/a.png", ""), secret = temp.write("secret.png", "");
  temp.write("settings/b.png", "");
  fs::create_symlink(secret, folder / "link.png");
  fs::create_directory_symlink(temp.path() / "settings", folder / "more");
  fs::create_directory_symlink(folder, temp.path() / "alias");
  EXPECT_TRUE(lies_inside(inside, folder));
  EXPECT_TRUE(lies_inside(inside, temp.path() / "alias"));
  EXPECT_TRUE(lies_inside(temp.path() / "alias/deep/../deep/a.png", folder));
  EXPECT_FALSE(lies_inside(secret, folder));
  EXPECT_FALSE(lies_inside(folder / "../secret.png", folder));
  EXPECT_FALSE(lies_inside(folder / "link.png", folder));
  EXPECT_FALSE(lies_inside(folder / "more/b.png", folder));
  EXPECT_FALSE(lies_inside(folder / "none.png", folder));
  EXPECT_FALSE(lies_inside(folder / std::string(300, 'x'), folder));
  EXPECT_FALSE(lies_inside(inside, temp.path() / "none"));
}

TEST(StaysInside, IsSaidOfTheNameAlone) {
  for (const char* name : {"a.jpg", "a/b.jpg", "./a.jpg", "..a/b..", "a/b/"})
    EXPECT_TRUE(stays_inside(name)) << name;
  for (const char* name : {"", "/a.jpg", "../a.jpg", "a/../b.jpg", ".."})
    EXPECT_FALSE(stays_inside(name)) << name;
  EXPECT_FALSE(stays_inside(std::string("a\0b", 3)));
}

}  // namespace
}  // namespace rcnn::data
