#include "text_file.h"

#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for_each_line(text, [&](std::string_view line) { lines.emplace_back(line); });
  return lines;
}

TEST(TextFile, IsReadWhole) {
  const TempFolder folder;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{1'000'000}}) {
    const std::string text(size, 'x');
    EXPECT_EQ(read_text_file(folder.write("a.txt", text), 1'000'000), text);
  }
}

TEST(TextFile, APipeIsReadToItsEnd) {
  const TempFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::string text(300'000, 'y');
  const std::jthread writer([&] { std::ofstream(pipe) << text; });
  EXPECT_EQ(read_text_file(pipe, 1'000'000), text);
}

TEST(TextFile, WhatIsLargerIsRefused) {
  const TempFolder folder;
  const auto error = [](const std::filesystem::path& file) {
    return message_of<TextFileError>([&] { read_text_file(file, 1'000'000); });
  };
  EXPECT_THAT(error(folder.write("a.txt", std::string(1'000'001, 'x'))), HasSubstr("more than 1 MB"));
  EXPECT_THAT(error("/dev/zero"), HasSubstr("more than 1 MB"));
  EXPECT_EQ(error(folder.path() / "none"), "No such file or directory");
  EXPECT_EQ(error(folder.path()), "Is a directory");
}

TEST(TextFile, LinesEndWithNewlines) {
  EXPECT_THAT(lines_of(""), ElementsAre());
  EXPECT_THAT(lines_of("a"), ElementsAre("a"));
  EXPECT_THAT(lines_of("a\n\nb\r\n"), ElementsAre("a", "", "b\r"));
}

}  // namespace
}  // namespace rcnn
