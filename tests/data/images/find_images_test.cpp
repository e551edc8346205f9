#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/images/find_images.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::vector<fs::path> paths(const std::vector<fs::path>& inputs, const FindImagesOptions& options = {}) {
  std::vector<fs::path> found;
  for (const auto& image : find_images(inputs, options)) found.push_back(image.path);
  return found;
}

std::vector<std::string> relatives(const std::vector<fs::path>& inputs,
                                   const FindImagesOptions& options = {}) {
  std::vector<std::string> found;
  for (const auto& image : find_images(inputs, options)) found.push_back(image.relative);
  return found;
}

std::vector<fs::path> listed(const std::string& text, const std::vector<fs::path>& inputs = {"-"}) {
  std::istringstream list(text);
  return paths(inputs, {.list = &list});
}

TEST(FindImages, TakesFilesAsTheyAreAndInTheOrderGiven) {
  const TempFolder folder;
  const auto b = folder.write("b.jpg", ""), a = folder.write("a.data", "");
  EXPECT_THAT(paths({b, a}), ElementsAre(b, a));
  EXPECT_THAT(relatives({b, a}), ElementsAre("b.jpg", "a.data"));
}

TEST(FindImages, TakesFromAFolderWhatHasAnImageEndingSorted) {
  const TempFolder folder;
  for (const char* name : {"notes.txt", "detections.json", "jpg", "archive.jpg.zip", "below/deep.jpg"}) {
    folder.write(name, "");
  }
  fs::create_directory(folder.path() / "folder.jpg");
  const auto c = folder.write("c.webp", ""), a = folder.write("a.JPG", ""), b = folder.write("b.Png", "");
  EXPECT_THAT(paths({folder.path()}), ElementsAre(a, b, c));
  EXPECT_THAT(relatives({folder.path()}), ElementsAre("a.JPG", "b.Png", "c.webp"));
  for (const char* name : {"d.jpeg", "e.bmp", "f.tif", "g.tiff"}) folder.write(name, "");
  EXPECT_THAT(paths({folder.path()}), SizeIs(7));
}

TEST(FindImages, SortsWithinAFolderOnly) {
  const TempFolder folder;
  const auto z = folder.write("z.png", "");
  const auto b = folder.write("in/b.png", ""), a = folder.write("in/a.png", "");
  EXPECT_THAT(paths({z, folder.path() / "in"}), ElementsAre(z, a, b));
}

TEST(FindImages, FollowsLinksToImagesAndPassesOverThoseThatLeadNowhere) {
  const TempFolder folder;
  const auto image = folder.write("image.png", "");
  fs::create_symlink(image, folder.path() / "good.png");
  fs::create_symlink(folder.path() / "nothing", folder.path() / "dangling.png");
  fs::create_symlink(folder.path() / "loop.png", folder.path() / "loop.png");
  EXPECT_THAT(paths({folder.path()}), ElementsAre(folder.path() / "good.png", image));
}

TEST(FindImages, GoesDownWhereItIsToldTo) {
  const TempFolder folder;
  folder.write("b.jpg", ""), folder.write("a/x.jpg", ""), folder.write("a/deep/y.png", "");
  folder.write("a/notes.txt", "");
  EXPECT_THAT(relatives({folder.path()}), ElementsAre("b.jpg"));
  EXPECT_THAT(relatives({folder.path()}, {.recursive = true}),
              ElementsAre("a/deep/y.png", "a/x.jpg", "b.jpg"));
  // However the folder is written.
  EXPECT_THAT(relatives({folder.path() / "a" / ".." / ""}, {.recursive = true}), SizeIs(3));
}

TEST(FindImages, GoesThroughNoFolderTwiceWhateverTheLinks) {
  const TempFolder folder, other;
  folder.write("m/x.jpg", ""), other.write("o.jpg", "");
  fs::create_directory_symlink(folder.path(), folder.path() / "m" / "up");
  fs::create_directory_symlink(folder.path() / "m", folder.path() / "again");
  fs::create_directory_symlink(other.path(), folder.path() / "other");
  EXPECT_THAT(relatives({folder.path()}, {.recursive = true}), ElementsAre("m/x.jpg", "other/o.jpg"));
}

TEST(FindImages, PassesOverWhatIsHiddenOrLeftByPrograms) {
  const TempFolder folder;
  for (const char* name :
       {"a.jpg", "._a.jpg", ".b.png", "x/c.jpg", "x/._c.jpg", "__MACOSX/._a.jpg", "__MACOSX/a.jpg",
        "@eaDir/a.jpg", "x/@eaDir/c.jpg/SYNOPHOTO.jpg", ".ipynb_checkpoints/a-checkpoint.jpg",
        ".hidden/deep/d.jpg", "not__MACOSX/e.jpg"}) {
    folder.write(name, "");
  }
  EXPECT_THAT(relatives({folder.path()}), ElementsAre("a.jpg"));
  EXPECT_THAT(relatives({folder.path()}, {.recursive = true}),
              ElementsAre("a.jpg", "not__MACOSX/e.jpg", "x/c.jpg"));
  const auto found = [&](const char* pattern) { return relatives({folder.path() / pattern}); };
  EXPECT_THAT(found("**"), ElementsAre("a.jpg", "not__MACOSX/e.jpg", "x/c.jpg"));
  EXPECT_THAT(found("**/*.jpg"), ElementsAre("a.jpg", "not__MACOSX/e.jpg", "x/c.jpg"));
  EXPECT_THAT(found("*"), ElementsAre("a.jpg", "not__MACOSX/e.jpg", "x/c.jpg"));
  EXPECT_THAT(found("*/*.jpg"), ElementsAre("not__MACOSX/e.jpg", "x/c.jpg"));
  // What is named is taken, by its own name or by a part of a pattern.
  EXPECT_THAT(found("._a.jpg"), ElementsAre("._a.jpg"));
  EXPECT_THAT(found("__MACOSX"), ElementsAre("a.jpg"));
  EXPECT_THAT(found(".hidden/deep"), ElementsAre("d.jpg"));
  EXPECT_THAT(found("__MACOSX/*.jpg"), ElementsAre("a.jpg"));
  EXPECT_THAT(found("@eaDir/**/*.jpg"), ElementsAre("a.jpg"));
  EXPECT_THAT(found(".*.png"), ElementsAre(".b.png"));
  EXPECT_THAT(relatives({folder.path() / ".hidden"}, {.recursive = true}), ElementsAre("deep/d.jpg"));
}

TEST(FindImages, TheFolderWhereOneStandsMayBeHidden) {
  const TempFolder folder;
  const auto a = folder.write(".cache/photos/a.jpg", "");
  EXPECT_THAT(paths({folder.path() / ".cache/./photos/../photos"}), SizeIs(1));
  EXPECT_THAT(paths({folder.path() / ".cache/photos/*.jpg"}), ElementsAre(a));
  EXPECT_THAT(paths({folder.path() / ".cache/*"}), ElementsAre(a));
}

TEST(FindImages, NamesEachFileOnce) {
  const TempFolder folder;
  const auto a = folder.write("in/a.jpg", ""), b = folder.write("in/b.jpg", "");
  const auto in = folder.path() / "in";
  EXPECT_THAT(paths({b, in, a, in / "." / "a.jpg", folder.path() / "*" / "a.jpg"}), ElementsAre(b, a));
  fs::create_directory_symlink(in, folder.path() / "link");
  EXPECT_THAT(paths({in, folder.path() / "link"}), ElementsAre(a, b));
}

TEST(FindImages, KnowsPatterns) {
  const TempFolder folder;
  for (const char* name :
       {"a1.jpg", "a2.jpg", "b1.png", "notes.txt", "x/a1.jpg", "x/y/a1.jpg", "x/y/z/c.jpg"})
    folder.write(name, "");
  const auto found = [&](const char* pattern) { return relatives({folder.path() / pattern}); };
  EXPECT_THAT(found("a*.jpg"), ElementsAre("a1.jpg", "a2.jpg"));
  EXPECT_THAT(found("?1.*"), ElementsAre("a1.jpg", "b1.png"));
  EXPECT_THAT(found("[b-z]*"), ElementsAre("b1.png", "x/a1.jpg"));
  EXPECT_THAT(found("x/*/a1.jpg"), ElementsAre("y/a1.jpg"));
  EXPECT_THAT(found("**/a1.jpg"), ElementsAre("a1.jpg", "x/a1.jpg", "x/y/a1.jpg"));
  EXPECT_THAT(found("x/**/*.jpg"), ElementsAre("a1.jpg", "y/a1.jpg", "y/z/c.jpg"));
  EXPECT_THAT(found("x/**"), ElementsAre("a1.jpg", "y/a1.jpg", "y/z/c.jpg"));
  EXPECT_THAT(found("**/y/**/*.jpg"), ElementsAre("x/y/a1.jpg", "x/y/z/c.jpg"));
  EXPECT_THAT(message_of<DataError>([&] { found("c*.jpg"); }), HasSubstr("c*.jpg: matches no image"));
  EXPECT_THAT(message_of<DataError>([&] { found("*.txt"); }), HasSubstr("matches no image"));
  EXPECT_THAT(message_of<DataError>([&] { found("nowhere/**/*.jpg"); }), HasSubstr("matches no image"));
}

TEST(FindImages, APatternFromHereNeedsNoFolder) {
  const TempFolder folder;
  folder.write("x/a.jpg", ""), folder.write("b.jpg", "");
  const auto before = fs::current_path();
  fs::current_path(folder.path());
  const auto found = paths({"**/*.jpg"});
  fs::current_path(before);
  EXPECT_THAT(found, ElementsAre("b.jpg", "x/a.jpg"));
}

TEST(FindImages, AFileOfThatVeryNameIsNoPattern) {
  const TempFolder folder;
  const auto odd = folder.write("a[1].jpg", ""), star = folder.write("*.jpg", "");
  folder.write("a1.jpg", "");
  EXPECT_THAT(paths({odd}), ElementsAre(odd));
  EXPECT_THAT(paths({star}), ElementsAre(star));
  folder.write("odd[1]/x/y.jpg", "");
  EXPECT_THAT(relatives({folder.path() / "**" / "y.jpg"}), ElementsAre("odd[1]/x/y.jpg"));
}

TEST(FindImages, ReadsAList) {
  const TempFolder folder;
  const auto a = folder.write("a.jpg", "").string(), b = folder.write("b c.jpg", "").string();
  EXPECT_THAT(listed(b + "\n\n" + a + "\n"), ElementsAre(b, a));
  EXPECT_THAT(listed(b + "\r\n" + a), ElementsAre(b, a));
  EXPECT_THAT(listed("\xef\xbb\xbf" + b + "\r\n" + a), ElementsAre(b, a)) << "a byte order mark";
  const auto lines = folder.write("two\nlines.jpg", "").string();
  EXPECT_THAT(listed(lines + '\0' + a + '\0'), ElementsAre(lines, a));
  EXPECT_THAT(listed(folder.path().string()), SizeIs(3));
  EXPECT_THAT(listed(a, {b, "-"}), ElementsAre(b, a));
  EXPECT_THAT(message_of<DataError>([&] { listed(a + "\n" + a + ".png\n"); }),
              AllOf(HasSubstr("line 2 of the list"), HasSubstr("a.jpg.png: No such file")));
  EXPECT_THAT(message_of<DataError>([&] { listed("\n\n"); }), HasSubstr("the list names no image"));
  EXPECT_THAT(message_of<DataError>([&] { paths({"-"}); }), HasSubstr("-: No such file"));
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

TEST(FindImages, AnInputWithoutAnImageIsAnError) {
  const TempFolder folder;
  folder.write("empty/notes.txt", "");
  const auto image = folder.write("image.png", "");
  EXPECT_THAT(message_of<DataError>([&] {
                find_images({image, folder.path() / "empty"});
              }),
              HasSubstr((folder.path() / "empty").string() + ": no image there"));
  EXPECT_THROW(find_images({}), DataError);
}

TEST(FindImages, AListThatIsNoneIsNotReadToItsEnd) {
  const auto error = [](const std::string& text) { return message_of<DataError>([&] { listed(text); }); };
  EXPECT_THAT(error(std::string(1'000'000, '\0')),
              HasSubstr("line 10001 of the list: nothing but empty lines"));
  EXPECT_THAT(error(std::string(1'000'000, 'x')), HasSubstr("line 1 of the list: is longer than any path"));
  std::ifstream endless("/dev/zero");
  EXPECT_THAT(message_of<DataError>([&] { paths({"-"}, {.list = &endless}); }),
              HasSubstr("nothing but empty lines"));
  // Longer than what is read at once.
  const TempFolder folder;
  const std::string name = folder.write("a.jpg", "");
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += name + "\n";
  EXPECT_THAT(listed(lines), ElementsAre(name));
  EXPECT_THAT(error(lines + '\0'), HasSubstr("line 5001 of the list: holds a NUL"));
}

}  // namespace
}  // namespace rcnn::data
