#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/find_images.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(FindImages, TakesFilesAsTheyAreAndInTheOrderGiven) {
  const TempFolder folder;
  const auto b = folder.write("b.jpg", ""), a = folder.write("a.data", "");
  EXPECT_THAT(find_images({b, a}), ElementsAre(b, a));
}

TEST(FindImages, TakesFromAFolderWhatHasAnImageEndingSorted) {
  const TempFolder folder;
  for (const char* name : {"notes.txt", "detections.json", "jpg", "archive.jpg.zip", "below/deep.jpg"}) {
    folder.write(name, "");
  }
  fs::create_directory(folder.path() / "folder.jpg");
  const auto c = folder.write("c.webp", ""), a = folder.write("a.JPG", ""), b = folder.write("b.Png", "");
  EXPECT_THAT(find_images({folder.path()}), ElementsAre(a, b, c));
  for (const char* name : {"d.jpeg", "e.bmp", "f.tif", "g.tiff"}) folder.write(name, "");
  EXPECT_THAT(find_images({folder.path()}), SizeIs(7));
}

TEST(FindImages, SortsWithinAFolderOnly) {
  const TempFolder folder;
  const auto z = folder.write("z.png", "");
  const auto b = folder.write("in/b.png", ""), a = folder.write("in/a.png", "");
  EXPECT_THAT(find_images({z, folder.path() / "in"}), ElementsAre(z, a, b));
}

TEST(FindImages, FollowsLinksToImagesAndPassesOverThoseThatLeadNowhere) {
  const TempFolder folder;
  const auto image = folder.write("image.png", "");
  fs::create_symlink(image, folder.path() / "good.png");
  fs::create_symlink(folder.path() / "nothing", folder.path() / "dangling.png");
  fs::create_symlink(folder.path() / "loop.png", folder.path() / "loop.png");
  EXPECT_THAT(find_images({folder.path()}), ElementsAre(folder.path() / "good.png", image));
}

TEST(FindImages, NamesWhatIsNotThere) {
  const TempFolder folder;
  const auto image = folder.write("image.png", "");
  EXPECT_THAT(message_of<DataError>([&] {
                find_images({image, folder.path() / "typo.png"});
              }),
              HasSubstr((folder.path() / "typo.png").string() + ": No such file"));
  EXPECT_THAT(message_of<DataError>([&] { find_images({image / "below"}); }), HasSubstr("below"));
  EXPECT_THAT(message_of<DataError>([] { find_images({std::string(300, 'x')}); }), HasSubstr("too long"));
  EXPECT_THROW(find_images({""}), DataError);
}

TEST(FindImages, NoImageAtAllIsAnError) {
  const TempFolder folder;
  folder.write("notes.txt", "");
  EXPECT_THAT(message_of<DataError>([&] { find_images({folder.path()}); }),
              HasSubstr(folder.path().string() + ": no image there"));
  EXPECT_THROW(find_images({}), DataError);
}

}  // namespace
}  // namespace rcnn::data
