// What becomes of the program when stdin, stdout and stderr are full, closed, or nobody reads them.

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <rcnn/io/safetensors.h>

#include "help_pages.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kFull = "error: stdout cannot be written: No space left on device\n";

/// A pipe that nobody reads any more, as descriptor 9 of the programs that are run.
class NobodyReads {
 public:
  NobodyReads() {
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], 9) != 9) throw std::runtime_error("no pipe");
    close(ends[0]);
    close(ends[1]);
  }
  ~NobodyReads() { close(9); }
  NobodyReads(const NobodyReads&) = delete;
  NobodyReads& operator=(const NobodyReads&) = delete;
};

class StandardStreams : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    const auto& folder = *shared_;
    tools::draw_scenes(folder.path() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
    folder.write("config.json", tiny_config());
    folder.write("gt.json", R"({"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}],
      "categories": [{"id": 1, "name": "cat"}]})");
    folder.write("found.json", R"([{"image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "score": 0.5}])");
    for (const char* name : {"a.safetensors", "b.safetensors"}) {
      io::write_safetensors(folder.path() / name,
                            {.tensors = {{name, torch::zeros({2, 3})}}, .metadata = {{"from", "here"}}});
    }
  }
  static void TearDownTestSuite() { shared_.reset(); }

  /// Runs the program in the folder of the test's files, started by a shell; `after` is what that takes
  /// behind a command.
  static Finished start(const std::string& words, const std::string& after) {
    const auto folder = shared_->path().string();
    return run_program("/bin/sh",
                       {"-c", "cd " + folder + " && exec " + RCNN_PROGRAM + " " + words + " " + after},
                       {"RCNN_DATA=" + folder});
  }

  /// The same by the program on standby. It understands >FILE, >&9 and >&-, 2> and < likewise.
  static Finished run(const std::string& words, const std::string& after) {
    const TempFolder said;
    const std::string out = said.write("out", ""), err = said.write("err", "");
    const auto open_file = [](const std::string& file, int flags) {
      return open(file.c_str(), flags | O_CLOEXEC);
    };
    Streams streams{STDIN_FILENO, open_file(out, O_WRONLY), open_file(err, O_WRONLY)};
    std::vector<int> opened = {streams[1], streams[2]};
    for (const auto& redirection : words_of(after)) {
      const size_t sign = redirection.find_first_of("<>");
      const auto target = redirection.substr(sign + 1);
      int& stream = streams[redirection[sign] == '<' ? 0 : sign == 0 ? 1 : 2];
      stream = target == "&-" ? -1 : target == "&9" ? 9 : opened.emplace_back(open_file(target, O_WRONLY));
    }
    const auto folder = shared_->path();
    const int exit_code = standby().run(words_of(words), {"RCNN_DATA=" + folder.string()}, streams, folder);
    for (const int descriptor : opened) close(descriptor);
    return {exit_code, file_bytes(out), file_bytes(err)};
  }

  static std::vector<std::string> words_of(const std::string& line) {
    std::istringstream words(line);
    return {std::istream_iterator<std::string>(words), {}};
  }

  static std::unique_ptr<TempFolder> shared_;
};
std::unique_ptr<TempFolder> StandardStreams::shared_;

/// Commands that write to stdout, and their exit codes when all is well.
const std::vector<std::pair<std::string, int>> kPrintingCommands = {
    {"--version", 0},
    {"-h -h", 0},
    {"config show config.json", 0},
    {"weights inspect a.safetensors", 0},
    {"weights inspect a.safetensors --json", 0},
    {"weights diff a.safetensors b.safetensors", 1},
    {"eval --annotations gt.json --detections found.json", 0},
    {"eval --annotations gt.json --detections found.json --json --errors", 0},
    {"data check scenes", 0},
    {"data check scenes nowhere --json", 3},
    {"data anchors scenes config.json", 0},
    {"info config.json", 0},
    {"info config.json --json --layers", 0},
    {"train config.json --dry-run", 0}};

TEST_F(StandardStreams, AFullDiskBehindStdoutIsALineAndItsExitCode) {
  for (const auto& [words, exit_code] : kPrintingCommands) {
    SCOPED_TRACE(words);
    const auto whole = run(words, "");
    EXPECT_EQ(whole.exit_code, exit_code) << whole.err;
    EXPECT_NE(whole.out, "");
    const auto full = run(words, ">/dev/full");
    EXPECT_EQ(full.exit_code, 3);
    EXPECT_THAT(full.err, testing::EndsWith(kFull));
    EXPECT_EQ(full.err.find("stdout"), full.err.rfind("stdout")) << full.err;  // once
  }
}

TEST_F(StandardStreams, AReaderOfStdoutThatWentAwayIsNoError) {
  const NobodyReads pipe;
  for (const auto& [words, exit_code] : kPrintingCommands) {
    SCOPED_TRACE(words);
    const auto gone = run(words, ">&9");
    EXPECT_EQ(gone.exit_code, 141);
    EXPECT_THAT(gone.err, Not(HasSubstr("stdout")));
  }
}

TEST_F(StandardStreams, EveryHelpPageIsChecked) {
  const NobodyReads pipe;
  for (const auto& page : help_pages()) {
    std::string words;
    for (const auto& word : page.command) words += std::string(word) + " ";
    SCOPED_TRACE(words);
    const auto full = start(words + "--help", ">/dev/full");
    EXPECT_EQ(full.exit_code, 3);
    EXPECT_EQ(full.err, kFull);
    const auto gone = start(words + "--help", ">&9");
    EXPECT_EQ(gone.exit_code, 141);
    EXPECT_EQ(gone.err, "");
    const auto closed = start(words + "--help", ">&-");
    EXPECT_EQ(closed.exit_code, 3);
    EXPECT_EQ(closed.err, "error: stdout cannot be written: Bad file descriptor\n");
  }
}

TEST_F(StandardStreams, StderrThatCannotBeWrittenChangesNothing) {
  const NobodyReads pipe;
  const std::vector<std::pair<std::string, int>> commands = {
      {"weights diff a.safetensors b.safetensors", 1},
      {"eval --annotations gt.json --detections found.json", 0},
      {"data check scenes", 0},
      {"train config.json --dry-run", 0},
      {"config show nowhere.json", 2},
      {"eval --annotations nowhere.json --detections found.json", 3},
      {"weights inspect nowhere.pth", 4}};
  for (const auto& [words, exit_code] : commands) {
    const auto whole = run(words, "");
    for (const char* after : {"2>/dev/full", "2>&9", "2>&-"}) {
      SCOPED_TRACE(words + after);
      const auto finished = run(words, after);
      EXPECT_EQ(finished.exit_code, exit_code);
      // A second is measured anew.
      if (words.find("dry-run") == std::string::npos) {
        EXPECT_EQ(finished.out, whole.out);
      }
      EXPECT_EQ(finished.err, "");
    }
  }
}

TEST_F(StandardStreams, ClosedOnesTakeNoFilesPlace) {
  const auto open = start("weights convert a.safetensors open.safetensors", "");
  ASSERT_EQ(open.exit_code, 0) << open.err;
  const auto closed = start("weights convert a.safetensors closed.safetensors", "<&- >&- 2>&-");
  EXPECT_EQ(closed.exit_code, 0);
  EXPECT_EQ(file_bytes(shared_->path() / "closed.safetensors"),
            file_bytes(shared_->path() / "open.safetensors"));
}

TEST_F(StandardStreams, AFileThatMayNotGrowIsAnErrorAndNoSignal) {
  const auto folder = shared_->path().string();
  const auto finished =
      run_program("/bin/sh", {"-c", "cd " + folder + " && ulimit -f 1 && exec " + RCNN_PROGRAM +
                                        " info config.json --json --layers > short.json"});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_EQ(finished.err, "error: stdout cannot be written: File too large\n");
}

TEST_F(StandardStreams, NumbersOfTheCommandLineAreFinite) {
  const std::string weights = "--weights a.safetensors --output found photos ";
  for (const std::string& words : {"detect " + weights + "--score", "detect " + weights + "--nms",
                                   "detect " + weights + "--tile 64 --overlap",
                                   std::string("report found.json --output page.html --score"),
                                   std::string("lr-find config.json --output lr --from"),
                                   std::string("lr-find config.json --output lr --to")}) {
    for (const char* number : {"nan", "NaN", "-nan", "inf", "-inf", "1e999"}) {
      SCOPED_TRACE(words + " " + number);
      const auto finished = run(words + "=" + number, "");
      EXPECT_THAT(error_of(finished, 2), testing::ContainsRegex("--(score|nms|overlap|from|to): "));
    }
  }
  for (const char* left : {"found", "lr", "page.html"}) EXPECT_FALSE(fs::exists(shared_->path() / left));
}

TEST_F(StandardStreams, ANameThatIsTooLongIsSaid) {
  const std::string name(300, 'x');
  for (const auto& [words, exit_code] : std::vector<std::pair<std::string, int>>{
           {"eval --annotations " + name + " --detections found.json", 3},
           {"eval --annotations gt.json --detections " + name, 3},
           {"weights convert a.safetensors " + name + ".safetensors", 3},
           {"weights convert " + name + " b.pth", 4},
           {"data convert " + name + " --to coco --output o", 3},
           {"data check " + name + "/" + name, 3}}) {
    const auto finished = run(words, "");
    EXPECT_EQ(finished.exit_code, exit_code) << words;
    const auto& said = finished.out.empty() ? finished.err : finished.out;
    EXPECT_THAT(said, HasSubstr(name));
    EXPECT_THAT(said, AnyOf(HasSubstr("File name too long"), HasSubstr("there is no such file")));
    EXPECT_THAT(said, Not(HasSubstr("filesystem error")));
  }
}

}  // namespace
}  // namespace rcnn::tools
