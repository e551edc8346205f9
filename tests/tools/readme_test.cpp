// Every command of the README runs, made short, in a folder that looks like a checkout with a person's data
// beside it.

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <rcnn/config/config.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/problems.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/io/detectron2_file.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/run_program.h"
#include "tests/support/temp_folder.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

struct Command {
  std::string text;                     ///< a command of the README, in one line and without its comment
  std::string run = "{}";               ///< what bash gets, see kShell; {} is the command
  std::vector<std::string> makes = {};  ///< files that are there afterwards
};

/// What `run` may use. Exit code 77 says that something is not installed.
constexpr const char* kShell = R"sh(
network='model.backbone.width=4 model.roi.head.hidden=16'
short="$network data.min_size=64 data.max_size=96 data.test.limit=1 data.classes=null train.iterations=2"

# is_script FILE: bash can read it.
is_script() { [[ -x $1 ]] && bash -n "$1"; }

# has_flags PROGRAM ARGUMENT...: its --help, which is asked for once, knows the flags among them.
has_flags() {
  local page word
  for word; do [[ $word != *.py ]] || page="$HOME/${word//\//-}.help"; done
  if [[ ! -f $page ]] && ! "$@" --help >"$page.part" 2>&1; then
    cat "$page.part"
    ! grep -q ModuleNotFoundError "$page.part" || exit 77
    exit 1
  fi
  [[ -f $page ]] || mv "$page.part" "$page"
  for word; do
    [[ $word != --* ]] || grep -q -e "$word\b" "$page" || { echo "no $word in: $(<"$page")"; exit 1; }
  done
}

# are_pinned NAME==VERSION...: tools/setup.sh installs the same.
are_pinned() {
  local wheel
  for wheel; do
    grep -q -e "[(= ]$wheel" tools/setup.sh || { echo "no $wheel in tools/setup.sh"; exit 1; }
  done
}
)sh";

/// Follows a change of the folder.
constexpr const char* kEnvironment =
    "\nexport HOME=$PWD RCNN_DATA=$PWD/datasets PATH=$PWD/bin:" RCNN_BINARY "/bin:$PATH\n";

/// In the README's order, which counts: a run that is made is scored later.
const std::vector<Command> kReadmeCommands = {
    {"tools/demo.sh", "is_script {}"},
    {"tools/test.sh", "is_script {}"},
    {R"sh(eval "$(tools/setup.sh)")sh", "is_script tools/setup.sh"},
    {"cmake --preset release && cmake --build --preset release --target rcnn_program",
     R"sh(presets="$(cmake --list-presets=all)" && [[ $(grep -c '"release"' <<<"$presets") -ge 2 ]])sh"},
    {"export RCNN_DATA=$HOME/datasets", "{} && test -d $RCNN_DATA/bccd"},
    {"rcnn train configs/faster_rcnn/resnet18_c4_bccd.json --output runs/bccd",
     "{} $short",
     {"runs/bccd/config.json", "runs/bccd/metrics.jsonl", "runs/bccd/log.txt", "runs/bccd/last.safetensors",
      "runs/bccd/best.safetensors", "runs/bccd/state-00000002.safetensors"}},
    {"rcnn train configs/faster_rcnn/vgg16_voc07.json --output runs/voc train.lr=0.0005 train.seed=1",
     "{} $short",
     {"runs/voc/last.safetensors"}},
    {"rcnn train configs/faster_rcnn/vgg16_voc07.json --dry-run", "{} $short"},
    {"rcnn train --output runs/voc --resume"},
    {"rcnn lr-find configs/faster_rcnn/resnet18_c4_bccd.json --output runs/lr",
     "{} $short --iterations 10",
     {"runs/lr/lr_find.svg", "runs/lr/lr_find.json"}},
    {"rcnn eval --weights runs/bccd/last.safetensors"},
    {"rcnn eval --weights runs/bccd/last.safetensors data.test.split=val eval.metric=coco --results "
     "found.json",
     "{}",
     {"found.json"}},
    {"rcnn eval --annotations instances_val2017.json --detections found.json --per-class"},
    {"rcnn eval --annotations instances_val2017.json --detections found.json --max-dets 300"},
    {"rcnn eval --weights runs/bccd/last.safetensors --errors"},
    {"rcnn eval --weights runs/bccd/last.safetensors --proposals"},
    {"rcnn detect --weights runs/bccd/last.safetensors photos/ more.jpg --output found --score 0.5",
     "{}",
     {"found/detections.json", "found/more.jpg"}},
    {"rcnn detect --weights runs/bccd/last.safetensors 'scans/**/*.png' --output found --tile 1024 --csv "
     "--crops",
     "rm -r found && {} --score 0",
     {"found/detections.json", "found/detections.csv", "found/crops"}},
    {"rcnn report runs/bccd --output bccd.html", "{}", {"bccd.html"}},
    {"rcnn report found/detections.json --output found.html", "{}", {"found.html"}},
    {"rcnn config show configs/faster_rcnn/resnet18_c4_bccd.json train.epochs=20"},
    {"rcnn info configs/faster_rcnn/vgg16_voc07.json --size 600x1000", "{} $network"},
    {"rcnn weights convert fasterrcnn_resnet50_fpn_coco.pth r50.safetensors"
     " --config configs/torchvision/fasterrcnn_resnet50_fpn.json --classes data/classes/coco_91.txt",
     "{} $network data.min_size=64 data.max_size=96",
     {"r50.safetensors"}},
    {"rcnn detect --weights r50.safetensors photos/ --output found",
     "rm -r found && {}",
     {"found/detections.json"}},
    {"rcnn weights inspect model_final.pkl"},
    {"rcnn weights diff a.pth b.safetensors"},
    {"rcnn weights compress r50.safetensors small.safetensors --svd fc6=256,fc7=128",
     "eval \"$(echo '{}' | sed 's/=256/=8/; s/=128/=4/')\"",
     {"small.safetensors"}},
    {"rcnn demo --output runs/demo",
     "{} train.iterations=2 data.test.limit=1",
     {"runs/demo/run/last.safetensors", "runs/demo/detections/detections.json"}},
    {"rcnn --version"},
    {"rcnn train --help"},
    {"rcnn train chain.json --output runs/chain",
     "{} $short",
     {"runs/chain/1-heads/last.safetensors", "runs/chain/2-whole/done.json"}},
    {"rcnn train --output runs/chain --resume"},
    {"rcnn config show chain.json"},
    {"rcnn info chain.json"},
    {"cmake --install build/release --prefix $HOME/rcnn",
     "{}",
     {"rcnn/bin/rcnn", "rcnn/include/rcnn/rcnn.h"}},
    {"OMP_NUM_THREADS=1 python tests/oracle/bench_weight_files.py --rounds 15", "has_flags env {}"},
    {"rcnn data check my_set"},
    {"rcnn train configs/faster_rcnn/resnet18_c4_own.json --output runs/mine data.root=$PWD/my_set",
     "{} $short"},
    {"rcnn data show my_set --output sheets", "{}", {"sheets/train_1.jpg"}},
    {"rcnn data anchors bccd configs/faster_rcnn/resnet18_c4_bccd.json"},
    {"rcnn data split instances.json --images photos --output parts --parts train=0.8,val=0.2 --seed 0",
     "{}",
     {"parts/instances_train.json", "parts/instances_val.json"}},
    {"rcnn data convert yolo_set --to coco --output coco_set",
     "{}",
     {"coco_set/annotations/instances_train.json"}},
    {"rcnn propose instances.json --images photos --method selective_search --output proposals.json",
     "{} --mode single",
     {"proposals.json"}},
    {"rcnn propose instances.json --images photos --method rpn --weights runs/bccd/last.safetensors --output "
     "proposals.pkl",
     "{} --limit 20",
     {"proposals.pkl"}},
    {"rcnn eval instances.json --images photos --proposal-file proposals.json"},
    {"rcnn eval --annotations instances.json --proposal-file proposals.json"},
    {"python tools/bench/coco_file.py --rounds 3", "has_flags {}"},
    {"rcnn train configs/faster_rcnn/resnet18_c4_bccd.json --output runs/bccd-0 train.seed=0", "{} $short"},
    {"rcnn train configs/faster_rcnn/resnet18_c4_bccd.json --output runs/bccd train.epochs=1 train.steps=null"
     " data.test.limit=2",
     "rm -r runs/bccd && {} $short"},
    {"python tools/bench/train_step.py --rounds 1 --steps 3 --threads 2", "has_flags {}"},
    {"python tools/bench/detect.py photos/street.jpg --rounds 3 --steps 3", "has_flags {}"},
    {"python tools/bench/coco_eval.py --rounds 3", "has_flags {}"},
    {"OMP_NUM_THREADS=1 build/release/bin/bench_loader $RCNN_DATA/tinycoco/images/train2017 --workers 2 "
     "--batch 2",
     "{} --images 4 --rounds 1"},
    {"pip install torch==2.11.0 torchvision==0.26.0 safetensors", "words=({}) && are_pinned ${words[@]:2}"},
    {"python tests/oracle/bench_torchvision.py", "has_flags {}"},
    {"python tools/bench/train_step.py --device cuda --batch 8 --steps 20 --rounds 1", "has_flags {}"},
    {"python tools/bench/detect.py photos/street.jpg --device cuda --rounds 1 --steps 30", "has_flags {}"},
    {"python tests/oracle/bench_torchvision.py --device cuda --repetitions 1 --filter "
     "'nms/(2000|12000)/|batched|roi_align/1000/levels:4/float32/.*/(forward|backward)/"
     "|roi_pool/300/float32/contiguous/(forward|backward)/|268569x10/'",
     "has_flags {}"},
    {"cmake -S src/ops/kernels -B build/kernels && cmake --build build/kernels && ctest --test-dir "
     "build/kernels",
     "cmake -S src/ops/kernels -B build/kernels -DRCNN_WITH_CUDA=OFF"},
};

std::string without_comment(const std::string& line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || line[i - 1] == ' ')) {
      return line.substr(0, i);
    }
  }
  return line;
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

/// The lines of Markdown's code blocks, indented by four or fenced; an empty one ends each block.
std::vector<std::string> code_lines(const std::string& markdown) {
  std::vector<std::string> lines;
  std::istringstream stream(markdown);
  bool fenced = false;
  for (std::string line; std::getline(stream, line);) {
    const bool fence = line.starts_with("```");
    fenced ^= fence;
    const bool code = !fence && (fenced || line.starts_with("    "));
    lines.push_back(code ? trimmed(line) : "");
  }
  lines.push_back("");
  return lines;
}

/// The commands of a page: all lines of the code blocks that begin with one, continued lines joined.
std::vector<std::string> commands_of(const std::string& markdown) {
  static const std::regex begins(
      R"(([A-Z_]+=\S+ )*(rcnn|python3?|pip|cmake|ctest|git|bash|curl|docker|export|eval|sudo|apt-get|build/\S+|tools/\S+|tests/\S+)( .*)?)");
  std::vector<std::string> commands;
  std::string joined;
  bool in_commands = false;
  for (const auto& line : code_lines(markdown)) {
    if (line.empty()) {
      in_commands = false;
      continue;
    }
    in_commands = in_commands || std::regex_match(line, begins);
    if (!in_commands) continue;
    joined += line;
    if (joined.ends_with('\\')) {
      joined = trimmed(joined.substr(0, joined.size() - 1)) + " ";
      continue;
    }
    if (const auto command = trimmed(without_comment(joined)); !command.empty()) commands.push_back(command);
    joined.clear();
  }
  return commands;
}

TEST(CommandsOf, JoinsLinesAndDropsCommentsAndOtherCode) {
  EXPECT_EQ(commands_of("Text `rcnn x`:\n\n"
                        "    rcnn train a.json    # b\n"
                        "    # all of it\n"
                        "    unheard-of 'a # b' \\\n"
                        "        --c\n\n"
                        "    int main() {}\n"
                        "```\nOMP_NUM_THREADS=1 python x.py\n```\nrcnn no code\n"),
            (std::vector<std::string>{"rcnn train a.json", "unheard-of 'a # b' --c",
                                      "OMP_NUM_THREADS=1 python x.py"}));
}

/// The checkout's folders by links, and beside them what the README's commands name.
class Readme : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path source = RCNN_SOURCE;
    for (const char* name :
         {"configs", "data", "include", "src", "tests", "tools", "CMakeLists.txt", "CMakePresets.json"}) {
      fs::create_symlink(source / name, home_ / name);
    }
    fs::create_directories(home_ / "build");
    fs::create_symlink(RCNN_BINARY, home_ / "build/release");
    folder_.write("bin/python", "#!/bin/sh\nexec " RCNN_ORACLE_PYTHON " \"$@\"\n");
    fs::permissions(home_ / "bin/python", fs::perms::owner_all);
    draw_data();
    draw_weights();
  }

  void draw_data() {
    const fs::path data = home_ / "datasets", bccd = data / "bccd", lists = bccd / "ImageSets/Main";
    tools::draw_scenes(bccd, {.train = 6, .test = 3, .size = {64, 96}});
    fs::create_directories(data / "VOCdevkit");
    fs::create_symlink(bccd, data / "VOCdevkit/VOC2007");
    fs::create_symlink(bccd, home_ / "bccd");
    fs::create_symlink(bccd, home_ / "my_set");
    fs::create_symlink(bccd / "JPEGImages", home_ / "photos");
    fs::copy_file(bccd / "JPEGImages/scene_00001.jpg", home_ / "more.jpg");

    fs::create_directories(home_ / "scans/1");
    data::write_image(home_ / "scans/1/a.png", data::read_image(home_ / "more.jpg"));

    data::Problems problems;
    std::vector<data::AnnotatedPart> parts;
    for (const auto& [split, name] : {std::pair{"train", "train2017"}, std::pair{"test", "val2017"}}) {
      parts.push_back(data::read_parts(data::locate(bccd, {.splits = {split}}), problems).at(0));
      parts.back().name = name;
    }
    data::convert(parts, "coco", data / "coco", data::ImageFiles::link, problems);
    fs::create_symlink(data / "coco", home_ / "coco");
    fs::create_directories(data / "tinycoco/images");
    fs::create_symlink(bccd / "JPEGImages", data / "tinycoco/images/train2017");
    fs::create_symlink(data / "coco/annotations/instances_val2017.json", home_ / "instances_val2017.json");
    fs::create_symlink(data / "coco/annotations/instances_train2017.json", home_ / "instances.json");

    // After the conversion: an image belongs to one part there.
    fs::copy_file(lists / "train.txt", lists / "trainval.txt");
    fs::copy_file(lists / "test.txt", lists / "val.txt");

    const auto page = file_bytes(fs::path(RCNN_SOURCE) / "README.md");
    const auto chain = page.find(R"({ "_base_": ["configs/)");
    folder_.write("chain.json", page.substr(chain, page.find("] }\n\n", chain) + 3 - chain));

    folder_.write("yolo_set/classes.txt", "star\n");
    folder_.write("yolo_set/labels/train/a.txt", "0 0.5 0.5 0.25 0.25\n");
    fs::create_directories(home_ / "yolo_set/images/train");
    fs::copy_file(bccd / "JPEGImages/scene_00001.jpg", home_ / "yolo_set/images/train/a.jpg");
  }

  /// The state of a config's detector, as narrow as kShell has it.
  static nn::TensorMap drawn(const std::string& config, int64_t classes) {
    const std::vector<std::string> narrow = {"model.backbone.width=4", "model.roi.head.hidden=16"};
    const auto file = fs::path(RCNN_SOURCE) / "configs" / config;
    const auto root = config::Config::load(file, narrow).root();
    return nn::state_of(*nn::make_detection_model(root.child("model"), classes));
  }

  /// The classification network in it.
  static nn::TensorMap trunk(const nn::TensorMap& detector) {
    const std::string prefix = "backbone.body.";
    nn::TensorMap tensors;
    for (const auto& [name, tensor] : detector) {
      if (name.starts_with(prefix)) tensors[name.substr(prefix.size())] = tensor;
    }
    return tensors;
  }

  void draw_weights() {
    const fs::path weights = home_ / "datasets/weights";
    fs::create_directories(weights);
    const auto resnet18 = drawn("faster_rcnn/resnet18_c4_bccd.json", 5);
    io::write_safetensors(weights / "resnet18_imagenet_trunk.safetensors", {trunk(resnet18), {}});
    io::write_torch(weights / "vgg16_caffe.pth", trunk(drawn("faster_rcnn/vgg16_voc07.json", 5)));
    io::write_torch(home_ / "fasterrcnn_resnet50_fpn_coco.pth",
                    drawn("torchvision/fasterrcnn_resnet50_fpn.json", 90));
    io::write_detectron2(home_ / "model_final.pkl", resnet18);
    io::write_torch(home_ / "a.pth", resnet18);
    io::write_safetensors(home_ / "b.safetensors", {resnet18, {}});
  }

  Finished run(const Command& command) const {
    std::string line = command.run;
    for (size_t at = 0; (at = line.find("{}", at)) != std::string::npos; at += command.text.size()) {
      line.replace(at, 2, command.text);
    }
    return run_program("/bin/bash", {"-c", kShell + ("cd " + home_.string()) + kEnvironment + line});
  }

  const TempFolder folder_;
  const fs::path home_ = folder_.path();
};

TEST_F(Readme, EveryCommandRuns) {
  const auto commands = commands_of(file_bytes(fs::path(RCNN_SOURCE) / "README.md"));
  std::string missing;
  for (const auto& text : commands) {
    const auto command = std::ranges::find(kReadmeCommands, text, &Command::text);
    if (command == kReadmeCommands.end()) {
      ADD_FAILURE() << "no line in kReadmeCommands says how to run this command of README.md in a moment: "
                    << text;
      continue;
    }
    const auto finished = run(*command);
    if (finished.exit_code == 77) {
      missing += "\n" + text;
      continue;
    }
    EXPECT_EQ(finished.exit_code, 0) << text << "\nas " << command->run << "\n"
                                     << finished.out << finished.err;
    for (const auto& file : command->makes) EXPECT_TRUE(fs::exists(home_ / file)) << text << ": " << file;
  }
  for (const auto& command : kReadmeCommands) {
    EXPECT_NE(std::ranges::find(commands, command.text), commands.end())
        << "README.md no longer has this command, its line in kReadmeCommands can go: " << command.text;
  }
  if (!missing.empty()) GTEST_SKIP() << RCNN_ORACLE_PYTHON " has not what these need:" << missing;
}

}  // namespace
}  // namespace rcnn::tools
