#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <rcnn/config/config.h>
#include <rcnn/infer/detector_options.h>
#include <rcnn/train/run.h>

/// The program's commands: each adds itself to the command line and runs when chosen.
namespace rcnn::tools {

/// What the program returns when data could be used in part only, or not at all; DataError's code.
inline constexpr int kBadData = 3;

void add_config(CLI::App& app);
void add_data(CLI::App& app);
void add_demo(CLI::App& app);
void add_detect(CLI::App& app);
void add_eval(CLI::App& app);
void add_info(CLI::App& app);
void add_lr_find(CLI::App& app);
void add_propose(CLI::App& app);
void add_report(CLI::App& app);
void add_train(CLI::App& app);
void add_weights(CLI::App& app);

/// --precision, of commands that detect.
CLI::Option* add_precision(CLI::App& command, nn::Precision& precision);

/// --iterations and --box-voting, of commands that detect.
std::vector<const CLI::Option*> add_refinement(CLI::App& command, DetectorOptions& options);

/// What `rcnn train` does with a config at hand; shared with the demo. Returns the weight file. An
/// interrupted run ends in CLI::RuntimeError with the signal's exit code, its state saved.
struct TrainArguments {
  config::Config config;
  std::filesystem::path output;
  std::string device = "auto";
  train::Run::Resume resume = train::Run::Resume::no;
};
std::filesystem::path train(const TrainArguments& arguments);

/// `rcnn train --dry-run`: refuses what train() would refuse before its first iteration, and trains a few.
/// The output may be empty; nothing is written there.
void dry_run(const TrainArguments& arguments);

/// What `rcnn detect` does; shared with the demo. Returns the number of images that something went wrong
/// with. An interrupted run ends in CLI::RuntimeError with the signal's exit code, what was found so far
/// written.
struct DetectArguments {
  std::filesystem::path weights;
  std::vector<std::filesystem::path> inputs;  ///< as data::find_images takes them; "-" is stdin
  std::filesystem::path output;
  std::filesystem::path proposals = {};  ///< a file, for weights that need them; empty: Selective Search
  DetectorOptions detector{.score_threshold = 0.5};
  std::vector<std::string> classes = {};  ///< names or ids; none: all
  int64_t batch = 0;                      ///< 0: what suits the device
  int64_t threads = 0;                    ///< 0: LibTorch's own choice
  bool recursive = false;
  bool pictures = true, crops = false, csv = false;
};
int64_t detect(const DetectArguments& arguments);

}  // namespace rcnn::tools
