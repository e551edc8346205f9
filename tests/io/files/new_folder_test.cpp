#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/error.h>
#include <rcnn/io/files/new_folder.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

using testing::HasSubstr;

TEST(NewFolder, IsMadeOrMayBeThereEmpty) {
  const TempFolder folder;
  make_new_folder(folder.path() / "a/b");
  EXPECT_TRUE(std::filesystem::is_directory(folder.path() / "a/b"));
  EXPECT_NO_THROW(make_new_folder(folder.path() / "a/b"));
}

TEST(NewFolder, NothingOfTheUsersIsTouched) {
  const TempFolder folder;
  const auto mine = folder.write("mine.txt", "precious");
  EXPECT_THAT(message_of<ConfigError>([&] { make_new_folder(folder.path()); }), HasSubstr("already in use"));
  EXPECT_THAT(message_of<ConfigError>([&] { make_new_folder(mine); }), HasSubstr("mine.txt: already in use"));
  EXPECT_THAT(message_of<ConfigError>([&] { make_new_folder(mine / "below"); }), HasSubstr("cannot be made"));
  EXPECT_EQ(file_bytes(mine), "precious");
}

TEST(NewFolder, ACheckThrowsTheSameAndMakesNothing) {
  const TempFolder folder;
  const auto mine = folder.write("used/mine.txt", "precious");
  EXPECT_NO_THROW(check_new_folder(folder.path() / "a/b"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "a"));
  const auto both = [](const std::filesystem::path& path) {
    const auto checked = message_of<ConfigError>([&] { check_new_folder(path); });
    EXPECT_EQ(checked, message_of<ConfigError>([&] { make_new_folder(path); }));
    return checked;
  };
  EXPECT_THAT(both(folder.path() / "used"), HasSubstr("already in use"));
  EXPECT_THAT(both(mine), HasSubstr("already in use"));
  EXPECT_THAT(both(mine / "below"), HasSubstr("Not a directory"));
  EXPECT_THAT(both(folder.path() / std::string(300, 'a')), HasSubstr("File name too long"));
}

}  // namespace
}  // namespace rcnn::io
