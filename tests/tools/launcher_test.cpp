// The program is a launcher: help at once, and everything else by the commands it loads.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "help_pages.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// The launcher without its commands.
class AloneTest : public testing::Test {
 protected:
  AloneTest() : program_(folder_.path() / "rcnn") { fs::copy_file(RCNN_PROGRAM, program_); }
  const TempFolder folder_;
  const fs::path program_;
};

TEST_F(AloneTest, HelpIsWhatTheCommandsSay) {
  const auto pages = help_pages();
  ASSERT_GT(pages.size(), 15);
  for (const char* command :
       {"train", "lr-find", "eval", "detect", "demo", "data", "weights", "config", "info"}) {
    EXPECT_TRUE(std::ranges::any_of(pages, [&](const auto& page) {
      return page.command.size() == 1 && page.command[0] == command;
    })) << command;
  }
  for (const auto& page : pages) {
    std::vector<std::string> words(page.command.begin(), page.command.end());
    SCOPED_TRACE(testing::PrintToString(words));
    words.push_back("--help");
    const auto known = run_program(program_, words);
    EXPECT_EQ(known.exit_code, 0);
    EXPECT_EQ(known.err, "");
    words.back() = "-h";
    EXPECT_EQ(run_program(program_, words).out, known.out);

    words.push_back("--help");  // twice is more than the launcher understands
    EXPECT_EQ(run_program(program_, words).exit_code, 1);
    const auto parsed = run_rcnn(words);
    EXPECT_EQ(parsed.exit_code, 0);
    EXPECT_EQ(parsed.out, known.out);
  }
}

TEST_F(AloneTest, SaysThatItsCommandsAreMissing) {
  EXPECT_THAT(error_of(run_program(program_, {"train", "config.json"}), 1),
              AllOf(HasSubstr("not installed whole"), HasSubstr("librcnn_commands.so")));
  error_of(run_program(program_, {}), 1);
  error_of(run_program(program_, {"no-such-command", "--help"}), 1);
}

TEST_F(AloneTest, SaysThatThePageCannotBeWritten) {
  const auto full = run_program("/bin/sh", {"-c", program_.string() + " --help > /dev/full"});
  EXPECT_EQ(error_of(full, 3), "error: stdout cannot be written: No space left on device\n");
}

TEST(Launcher, LoadsNoLibTorchItself) {
  const auto told = run_program(RCNN_READELF, {"--dynamic", RCNN_PROGRAM});
  EXPECT_THAT(told.out, AllOf(HasSubstr("(NEEDED)"), HasSubstr("libc.so"),
                              Not(ContainsRegex("NEEDED.*lib(torch|c10|rcnn|opencv|cu)"))));
}

TEST(Launcher, FindsItsCommandsHoweverItIsNamed) {
  const TempFolder folder;
  const fs::path link = folder.path() / "detector";
  fs::create_symlink(RCNN_PROGRAM, link);
  EXPECT_THAT(run_program(link, {"--version"}).out, StartsWith("rcnn "));
  const auto by_path = run_program(
      "/bin/sh", {"-c", "cd / && PATH=" + fs::path(RCNN_PROGRAM).parent_path().string() + " rcnn --version"});
  EXPECT_THAT(by_path.out, StartsWith("rcnn ")) << by_path.err;
}

}  // namespace
}  // namespace rcnn::tools
