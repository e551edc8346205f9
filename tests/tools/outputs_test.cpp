// Files that the program is told to write replace nothing that the user needs.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <rcnn/nn/models/model_file.h>

#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

/// What a command reads stands before its output.
class OutputsTest : public testing::Test {
 protected:
  OutputsTest() {
    tools::draw_scenes(path("scenes"), {.train = 2, .test = 1, .size = {64, 96}});
    std::vector<Category> categories;
    for (const char* name : {"circle", "cross", "square", "star", "triangle"})
      categories.push_back({.id = std::ssize(categories) + 1, .name = name});
    nn::save_model(path("model.safetensors"),
                   {tiny_model(5), categories, config::Config::parse(tiny_config(), "here")});
    folder_.write("config.json", tiny_config());
    folder_.write("gt.json", R"({"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}],
      "categories": [{"id": 1, "name": "cat"}]})");
    folder_.write("found.json", R"([{"image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "score": 0.5}])");
    for (const char* file : {"run.lock", "metrics.jsonl", "log.txt", "state-00000001.safetensors"})
      folder_.write(fs::path("run") / file, "");
    folder_.write("run/config.json", tiny_config());
    fs::copy_file(path("model.safetensors"), path("run/last.safetensors"));
  }

  fs::path path(const fs::path& name) const { return folder_.path() / name; }

  /// Runs `words` with `output` as the last; both are below the folder.
  Finished run(std::vector<std::string> words, const fs::path& output) const {
    for (auto& word : words) {
      if (fs::exists(path(word))) word = path(word);
    }
    words.push_back(path(output));
    return run_rcnn(words, folder_.path());
  }

  /// The text of every file, and what is no file by its kind.
  std::vector<std::string> everything() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      const auto name = entry.path().lexically_relative(folder_.path()).string();
      const bool is_file = fs::is_regular_file(entry.symlink_status());
      all.push_back(name + (is_file ? ":" + file_bytes(entry.path())
                                    : std::to_string(static_cast<int>(entry.symlink_status().type()))));
    }
    std::ranges::sort(all);
    return all;
  }

  const TempFolder folder_;
};

const std::vector<std::vector<std::string>> kWritingCommands = {
    {"report", "found.json", "--annotations", "gt.json", "--output"},
    {"report", "run", "--output"},
    {"eval", "--weights", "model.safetensors", "config.json", "--device", "cpu", "--results"},
    {"weights", "convert", "model.safetensors"}};

TEST_F(OutputsTest, ReplaceNothingButPlainFiles) {
  ASSERT_EQ(mkfifo(path("pipe.json").c_str(), 0600), 0);
  fs::create_symlink("gt.json", path("link.json"));
  fs::create_symlink("nowhere", path("dangling.json"));
  fs::create_symlink("/dev/null", path("null.json"));
  fs::create_directory(path("folder.json"));
  const auto before = everything();
  for (const auto& words : kWritingCommands) {
    for (const char* output : {"pipe.json", "link.json", "dangling.json", "null.json", "folder.json"}) {
      SCOPED_TRACE(testing::PrintToString(words) + output);
      EXPECT_THAT(error_of(run(words, output), 2),
                  AllOf(HasSubstr(path(output).string()),
                        AnyOf(HasSubstr(": is a "), HasSubstr("is there already"))));
    }
    EXPECT_EQ(everything(), before);
  }
}

TEST_F(OutputsTest, AreNoInput) {
  fs::create_directory_symlink(".", path("here"));
  fs::create_hard_link(path("gt.json"), path("hard.json"));
  const auto before = everything();
  for (const auto& [command, outputs] : std::vector<std::pair<int, std::vector<std::string>>>{
           {0, {"found.json", "gt.json", "here/gt.json", "hard.json", "./here/./found.json"}},
           {1, {"run/config.json", "run/last.safetensors", "here/run/metrics.jsonl", "run/run.lock"}},
           {2,
            {"model.safetensors", "config.json", "here/config.json", "scenes/JPEGImages/scene_00003.jpg",
             "scenes/Annotations/scene_00003.xml", "scenes/ImageSets/Main/test.txt"}},
           {3, {"model.safetensors", "here/model.safetensors"}}}) {
    for (const auto& output : outputs) {
      SCOPED_TRACE(output);
      EXPECT_THAT(error_of(run(kWritingCommands[static_cast<size_t>(command)], output), 2),
                  HasSubstr(path(output).string()));
    }
  }
  EXPECT_EQ(everything(), before);
}

TEST_F(OutputsTest, AreNoStoredProposals) {
  folder_.write("p.json", R"([{"image_id": "scene_00003", "bbox": [1, 1, 20, 20]}])");
  folder_.write("with.json", R"({"_base_": "config.json", "data": {"test": {"proposals": ")" +
                                 path("p.json").string() + R"("}}})");
  const auto before = everything();
  EXPECT_THAT(
      error_of(run({"eval", "--weights", "model.safetensors", "with.json", "--device", "cpu", "--results"},
                   "p.json"),
               2),
      AllOf(HasSubstr("p.json"), HasSubstr("is read by this command")));
  EXPECT_EQ(everything(), before);
}

TEST_F(OutputsTest, AreNoFileOfARun) {
  const auto before = everything();
  const auto refuse = [&](const std::vector<std::string>& words, const char* output) {
    SCOPED_TRACE(testing::PrintToString(words) + output);
    EXPECT_THAT(error_of(run(words, output), 2),
                AnyOf(HasSubstr("is a file of a run"), HasSubstr("is there already")));
  };
  for (const char* output :
       {"run/last.safetensors", "run/best.safetensors", "run/state-00000002.safetensors", "run/config.json",
        "run/metrics.jsonl", "run/log.txt", "run/run.lock", "run/events.out.tfevents.1.host"}) {
    refuse(kWritingCommands[0], output);
  }
  for (size_t i = 1; i < kWritingCommands.size(); ++i) refuse(kWritingCommands[i], "run/best.safetensors");
  EXPECT_EQ(everything(), before);
}

TEST_F(OutputsTest, ReplaceAnEarlierResultAndKeepItsMode) {
  for (size_t i = 0; i < 3; ++i) {
    folder_.write("out", "earlier");
    fs::permissions(path("out"), fs::perms(0600));
    const auto finished = run(kWritingCommands[i], "out");
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_NE(file_bytes(path("out")), "earlier");
    EXPECT_EQ(fs::status(path("out")).permissions(), fs::perms(0600));
    fs::remove(path("out"));
  }
  EXPECT_EQ(run(kWritingCommands[1], "run/report.html").exit_code, 0);
}

TEST_F(OutputsTest, AreLookedAtBeforeTheWork) {
  for (const auto& words : kWritingCommands) {
    EXPECT_THAT(error_of(run(words, "none/out.pth"), 2),
                HasSubstr("there is no folder " + path("none").string()));
    EXPECT_THAT(error_of(run(words, std::string(300, 'x')), 3), HasSubstr("File name too long"));
  }
}

TEST_F(OutputsTest, ScoresAreSaidWhateverBecomesOfTheList) {
  auto words = kWritingCommands[2];
  words.insert(words.end() - 1, "--json");
  const auto whole = run(words, "out.json");
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  for (auto& word : words) {
    if (fs::exists(path(word))) word = path(word);
  }
  std::string line;
  for (const auto& word : words) line += " " + word;
  const auto command = "RCNN_DATA=" + folder_.path().string() + " exec " + RCNN_PROGRAM + line + " " +
                       path("new.json").string();
  // Both of its streams through a pipe, which has no such limit.
  const auto finished = run_program("/bin/sh", {"-c", "(ulimit -f 0 && " + command + ") 2>&1 | cat"});
  EXPECT_THAT(finished.out, AllOf(HasSubstr(whole.out), HasSubstr("error: "), HasSubstr("new.json")));
  EXPECT_FALSE(fs::exists(path("new.json")));
}

}  // namespace
}  // namespace rcnn::tools
