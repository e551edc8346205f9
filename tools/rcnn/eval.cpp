#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/options.h>
#include <rcnn/error.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/train/stages.h>

#include "commands.h"
#include "evaluate.h"
#include "freed_memory.h"
#include "output_file.h"
#include "print_score.h"
#include "score_files.h"
#include "score_proposals.h"

namespace rcnn::tools {
namespace {

struct EvalArguments {
  std::string weights;
  std::filesystem::path results;
  std::filesystem::path proposals;  // a file
  DetectorOptions detector;
  std::vector<std::string> words;  // a config file, key=value ...
  ScoreFilesArguments files;       // its flags hold for weights, too
};

/// Throws ConfigError for what does not go with the weights.
void check_proposals(const EvalArguments& arguments, const EvalOptions& options,
                     const TensorDetector& detector) {
  if (options.metric == EvalOptions::Metric::proposals) {
    if (detector.needs_proposals()) {
      throw ConfigError(
          fmt::format("eval: --proposals: {} makes no proposals, it is given them; a file of them is "
                      "scored by --annotations GT.json --proposal-file",
                      arguments.weights));
    }
    check_classes_are_not_asked_for(arguments.files);
  }
  if (!arguments.proposals.empty() && !detector.needs_proposals()) {
    throw ConfigError(fmt::format("eval: --proposal-file: {} makes its own proposals", arguments.weights));
  }
}

/// Scores a model on the test part of its data.
void score_weights(const EvalArguments& arguments) {
  keep_freed_memory();
  std::vector<std::string> overrides = arguments.words, model_overrides;
  std::string config_file;
  if (!overrides.empty() && overrides.front().find('=') == std::string::npos) {
    config_file = overrides.front();
    overrides.erase(overrides.begin());
  }
  for (const auto& override : overrides) {
    if (config_file.empty() || override.starts_with("model.")) model_overrides.push_back(override);
  }
  std::optional<io::OutputFile> results;
  if (!arguments.results.empty()) {
    const std::vector<std::filesystem::path> inputs = {arguments.weights, config_file, arguments.proposals};
    results.emplace(output_file("--results", arguments.results, inputs));
  }
  auto model = nn::load_model(arguments.weights, model_overrides);
  if (!config_file.empty()) model.config = config::Config::load(config_file, overrides);
  const auto root = model.config.root();
  train::Chain::refuse(model.config);
  auto data = data::DataOptions::from(root.child("data"));
  auto options =
      EvalOptions::from(root.child("eval"), data, *nn::as_detection_model(model.model, root.child("model")));
  root.has("model");
  root.has("train");
  root.finish();
  const auto config_files = files_of(model.config);
  if (options.metric == EvalOptions::Metric::voc &&
      arguments.files.score.max_detections != eval::ScoreOptions().max_detections) {
    throw ConfigError("eval: --max-dets is of COCO's scores: give eval.metric=coco with it");
  }
  if (arguments.files.proposals) options.metric = EvalOptions::Metric::proposals;
  const TensorDetector detector(std::move(model), arguments.detector);
  check_proposals(arguments, options, detector);
  if (!arguments.proposals.empty()) data.test.proposals = arguments.proposals;
  auto test = open_test_set(data, detector.categories());
  if (results) {
    results->add_inputs(config_files);
    results->add_inputs(files_of(test));
  }
  search_missing_proposals(test, detector);
  const auto [score, images] = *evaluate(detector, test, options, arguments.files.score, kNeverStop);
  print(score, arguments.files.json);  // whatever becomes of the list
  std::cout << std::flush;
  if (results) {
    auto categories = test.dataset->categories();
    if (score.proposals) categories.front().name = "object";  // any id of the data set's will do
    results->check();
    write_results(results->path(), images, categories);
  }
}

}  // namespace

void add_eval(CLI::App& app) {
  auto* command =
      app.add_subcommand("eval", "score weights on a data set's test part, or a list of detections");
  auto arguments = std::make_shared<EvalArguments>();
  auto& a = *arguments;
  auto* weights = command->add_option("--weights", a.weights, "weight file that describes itself");
  auto* config = command->add_option(
      "config", a.words, "config whose data to score on (default: the one in the weights), key=value ...");
  auto* results = command->add_option("--results", a.results,
                                      "with --weights: write the detections as COCO results, too");
  command->add_option("--proposal-file", a.proposals,
                      "proposals for weights that need them (Fast R-CNN) [data.test.proposals, or Selective "
                      "Search makes them]; with --annotations: scores these");
  auto* device =
      command->add_option("--device", a.detector.device, "auto, cpu or cuda")->capture_default_str();
  auto* precision = add_precision(*command, a.detector.precision);
  add_score_files(*command, a.files);
  // Not CLI11's excludes(), which help pages list in the order of addresses.
  const std::vector<const CLI::Option*> of_model = {weights, config, results, device, precision};
  command->callback([arguments, of_model] {
    if (!arguments->files.annotations.empty()) {
      for (const auto* option : of_model) {
        if (option->count() > 0)
          throw ConfigError(fmt::format("eval: {} is of weights, and --annotations scores without a model",
                                        option->get_name()));
      }
      if (arguments->proposals.empty()) return score_files(arguments->files);
      return score_proposals(arguments->files, arguments->proposals);
    }
    check_options(arguments->files);
    if (arguments->weights.empty()) {
      throw ConfigError(
          "eval: give --weights F, or --annotations GT.json with --detections DT.json or --proposal-file F");
    }
    score_weights(*arguments);
  });
}

}  // namespace rcnn::tools
