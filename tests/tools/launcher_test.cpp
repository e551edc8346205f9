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
       {"train", "lr-find", "eval", "detect", "propose", "demo", "data", "weights", "config", "info"}) {
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
    const bool is_diff = std::ranges::find(words, "diff") != words.end();  // 1 says that files differ
    EXPECT_EQ(run_program(program_, words).exit_code, is_diff ? 4 : 1);
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

/// Files to score: one object, found.
std::vector<std::string> eval_words(const TempFolder& folder) {
  const auto annotations = folder.write("gt.json", R"({"images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}],
    "categories": [{"id": 1, "name": "cat"}]})");
  const auto detections =
      folder.write("dt.json", R"([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5}])");
  return {"eval", "--annotations", annotations, "--detections", detections, "--json"};
}

TEST(Launcher, ScoresFilesWithoutLibTorchAndOpenCv) {
  const TempFolder folder;
  const auto told = run_program(RCNN_PROGRAM, eval_words(folder), {"LD_DEBUG=files"});
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_THAT(told.out, HasSubstr("\"AP\":0.9999999999999998"));  // 1 / (1 + eps), as pycocotools
  EXPECT_THAT(told.err,
              AllOf(HasSubstr("librcnn_scores.so"), Not(ContainsRegex("lib(torch|c10|opencv|rcnn_comm)"))));
}

TEST_F(AloneTest, ScoresFilesWithTheModuleOfTheScoresAlone) {
  fs::create_directory(folder_.path() / "bin");
  const auto program = folder_.path() / "bin" / "rcnn";
  fs::rename(program_, program);
  const auto module = (program.parent_path() / RCNN_SCORES_PLACE).lexically_normal();
  fs::create_directories(module.parent_path());
  fs::copy_file(RCNN_SCORES, module);
  auto words = eval_words(folder_);
  const auto alone = run_program(program, words);
  EXPECT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_EQ(alone.out, run_rcnn(words).out);
  EXPECT_THAT(
      error_of(run_program(program, {"eval", "--annotations", "none.json", "--detections", "none.json"}), 3),
      HasSubstr("none.json"));

  // The commands answer for what is no such command line, the errors in it included.
  words.push_back("--no-such-option");
  EXPECT_THAT(error_of(run_program(program, words), 1), HasSubstr("librcnn_commands.so"));
  EXPECT_THAT(error_of(run_rcnn(words), 2), HasSubstr("--no-such-option"));
  words.back() = "model.x=1";
  error_of(run_rcnn(words), 2);
  fs::remove(module);
  EXPECT_THAT(error_of(run_program(program, words), 1), HasSubstr("librcnn_scores.so"));
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
