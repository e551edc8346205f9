#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <rcnn/infer/output_folder.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class OutputFolderTest : public testing::Test {
 protected:
  std::string name_of(const fs::path& wanted) { return output_.name_of(wanted, ".jpg"); }

  const TempFolder temp_;
  OutputFolder output_{temp_.path(), {"detections.json"}};
};

TEST_F(OutputFolderTest, NamesKeepTheirFolders) {
  EXPECT_EQ(name_of("x.png"), "x.jpg");
  EXPECT_EQ(name_of("a/b/x.tiff"), "a/b/x.jpg");
  EXPECT_EQ(name_of("no_ending"), "no_ending.jpg");
  EXPECT_EQ(name_of("two.dots.png"), "two.dots.jpg");
  EXPECT_EQ(name_of(".hidden"), ".hidden.jpg");
}

TEST_F(OutputFolderTest, NoTwoAreTheSame) {
  const std::set<std::string> names = {name_of("x.png"),       name_of("x.jpg"),   name_of("X.JPG"),
                                       name_of("x_2.jpg"),     name_of("x"),       name_of("a/x.jpg"),
                                       name_of("A/x.jpg"),     name_of("a/X.jpg"), name_of("x.bmp"),
                                       name_of("x.jpg/x.a"),   name_of("b.png"),   name_of("b.jpg/c.png"),
                                       name_of("c.jpg/x.png"), name_of("c.png")};
  EXPECT_EQ(names.size(), 14u);
  std::set<std::string> small;
  for (auto name : names) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    EXPECT_TRUE(small.insert(name).second) << name;
    // None lies in another one, which is a file.
    for (const auto& other : names) EXPECT_FALSE(name.starts_with(other + "/")) << name << " in " << other;
  }
}

TEST_F(OutputFolderTest, ReservedNamesAreNotGiven) {
  EXPECT_EQ(output_.name_of("detections.json", ".json"), "detections_2.json");
  EXPECT_EQ(name_of("Detections.json/x.jpg"), "Detections.json_2/x.jpg");
}

TEST_F(OutputFolderTest, NoneLeadsOutOfTheFolder) {
  EXPECT_EQ(name_of("../../x.jpg"), "x.jpg");
  EXPECT_EQ(name_of("/etc/passwd"), "etc/passwd.jpg");
  EXPECT_EQ(name_of("a/../../b/./y.jpg"), "a/b/y.jpg");
  EXPECT_EQ(name_of(".."), "image.jpg");
  EXPECT_EQ(name_of(""), "image_2.jpg");
}

TEST_F(OutputFolderTest, LongNamesAreCutBetweenCharactersAndStayApart) {
  const std::string longest(251, 'x'), other = longest.substr(1) + "y", wide = std::string(235, 'x') + "äöü";
  const std::set<std::string> names = {name_of(longest + ".png"), name_of(other + ".png"),
                                       name_of(wide + ".png")};
  EXPECT_EQ(names.size(), 3u);
  for (const auto& name : names) {
    EXPECT_LE(name.size(), 255u);
    output_.make_room(name);
    std::ofstream(temp_.path() / name) << "x";
    EXPECT_TRUE(fs::exists(temp_.path() / name));
    EXPECT_EQ(name.find('\xc3'), std::string::npos);
  }
}

TEST_F(OutputFolderTest, MakesTheFoldersThatANameNeeds) {
  EXPECT_EQ(output_.make_room("a/b/x.jpg"), temp_.path() / "a/b/x.jpg");
  EXPECT_TRUE(fs::is_directory(temp_.path() / "a/b"));
  EXPECT_EQ(output_.make_room("a/b/y.jpg"), temp_.path() / "a/b/y.jpg");
}

TEST_F(OutputFolderTest, WritesThroughNoLink) {
  const TempFolder outside;
  const auto precious = outside.write("precious.jpg", "precious");
  fs::create_symlink(precious, temp_.path() / "x.jpg");
  fs::create_hard_link(precious, temp_.path() / "y.jpg");
  for (const char* name : {"x.jpg", "y.jpg"}) std::ofstream(output_.make_room(name)) << "new";
  EXPECT_EQ(file_bytes(precious), "precious");
  EXPECT_EQ(file_bytes(temp_.path() / "x.jpg"), "new");

  fs::create_directory_symlink(outside.path(), temp_.path() / "out");
  EXPECT_THAT(message_of<DataError>([&] { output_.make_room("out/below/x.jpg"); }),
              AllOf(HasSubstr((temp_.path() / "out").string()), HasSubstr("leads out of the output folder")));
  EXPECT_FALSE(fs::exists(outside.path() / "below"));
}

TEST_F(OutputFolderTest, ReplacesNoInputAndNothingButFiles) {
  const auto input = temp_.write("deep/x.jpg", "precious");
  fs::create_directory_symlink("deep", temp_.path() / "linked");
  OutputFolder output(temp_.path(), {}, io::file_ids(std::vector{input}));
  for (const char* name : {"deep/x.jpg", "linked/x.jpg"}) {
    EXPECT_THAT(message_of<DataError>([&] { output.make_room(name); }),
                AllOf(HasSubstr((temp_.path() / name).string()), HasSubstr("is read")));
  }
  fs::create_directory(temp_.path() / "folder.jpg");
  ASSERT_EQ(mkfifo((temp_.path() / "pipe.jpg").c_str(), 0600), 0);
  for (const char* name : {"folder.jpg", "pipe.jpg"}) {
    EXPECT_THAT(message_of<DataError>([&] { output.make_room(name); }), HasSubstr("is no file"));
  }
  EXPECT_EQ(file_bytes(input), "precious");
  EXPECT_TRUE(fs::is_fifo(temp_.path() / "pipe.jpg"));
  // An earlier picture stays until the new one is whole.
  const auto earlier = temp_.write("y.jpg", "earlier");
  EXPECT_EQ(output.make_room("y.jpg"), earlier);
  EXPECT_EQ(file_bytes(earlier), "earlier");
}

TEST_F(OutputFolderTest, ALinkWithinTheFolderIsFine) {
  fs::create_directory(temp_.path() / "real");
  fs::create_directory_symlink(temp_.path() / "real", temp_.path() / "link");
  std::ofstream(output_.make_room("link/x.jpg")) << "new";
  EXPECT_EQ(file_bytes(temp_.path() / "real" / "x.jpg"), "new");
}

TEST_F(OutputFolderTest, AFileWhereAFolderIsNeededIsSaid) {
  temp_.write("a", "a file");
  EXPECT_THAT(message_of<DataError>([&] { output_.make_room("a/x.jpg"); }),
              HasSubstr("cannot write " + (temp_.path() / "a").string()));
}

TEST(OutputFolder, MakesFileNamesOfWords) {
  EXPECT_EQ(OutputFolder::file_name_of("traffic light"), "traffic light");
  EXPECT_EQ(OutputFolder::file_name_of("../up\\a\nb"), "_._up_a_b");
  EXPECT_EQ(OutputFolder::file_name_of(".."), "_.");
  EXPECT_EQ(OutputFolder::file_name_of(""), "_");
  EXPECT_EQ(OutputFolder::file_name_of(std::string(999, 'w')).size(), 240u);
}

}  // namespace
}  // namespace rcnn
