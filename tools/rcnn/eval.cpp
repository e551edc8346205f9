#include <cstddef>
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
  DatasetArguments dataset;        // whose stored proposals are scored
  ScoreFilesArguments files;       // its flags hold for weights, too
};

/// Takes the word that is no key=value from the front: a data set or a config; empty when there is none.
std::filesystem::path take_name(std::vector<std::string>& words) {
  if (words.empty() || words.front().find('=') != std::string::npos) return {};
  const std::filesystem::path name = words.front();
  words.erase(words.begin());
  return name;
}

/// Throws ConfigError, which says why, where one of the options was given.
void refuse(const std::vector<const CLI::Option*>& options, const char* why) {
  for (const auto* option : options) {
    if (option->count() > 0) throw ConfigError(fmt::format("eval: {} {}", option->get_name(), why));
  }
}

/// Scores detections or stored proposals by a COCO file.
void score_by_annotations(const EvalArguments& arguments) {
  const auto& files = arguments.files;
  if (arguments.proposals.empty()) return score_files(files);
  if (!files.detections.empty()) throw ConfigError("eval: give --detections or --proposal-file, not both");
  check_classes_are_not_asked_for(files);
  score_listed_proposals(files.annotations, arguments.proposals, files.json);
}

/// Scores stored proposals on a data set.
void score_on_dataset(const EvalArguments& arguments) {
  auto dataset = arguments.dataset;
  dataset.locate.overrides = arguments.words;
  dataset.dataset = take_name(dataset.locate.overrides);
  if (dataset.dataset.empty()) {
    throw ConfigError(
        "eval: give --weights F, or --annotations GT.json with --detections DT.json or --proposal-file F, or "
        "DATASET with --proposal-file F");
  }
  check_classes_are_not_asked_for(arguments.files);
  score_proposals(dataset, arguments.proposals, arguments.files.json);
}

/// Throws ConfigError for what does not go with the weights.
void check_proposals(const EvalArguments& arguments, const EvalOptions& options,
                     const TensorDetector& detector) {
  if (options.metric == EvalOptions::Metric::proposals) {
    if (detector.needs_proposals()) {
      throw ConfigError(
          fmt::format("eval: --proposals: {} makes no proposals, it is given them; a file of them is "
                      "scored by rcnn eval DATASET --proposal-file F, without weights",
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
  auto overrides = arguments.words;
  const auto config_file = take_name(overrides);
  const auto of_model = [&](const config::Config& description) {
    auto result = overrides_of(arguments.detector, description, arguments.weights);
    for (const auto& override : overrides) {
      if (config_file.empty() || override.starts_with("model.")) result.push_back(override);
    }
    return result;
  };
  std::optional<io::OutputFile> results;
  if (!arguments.results.empty()) {
    const std::vector<std::filesystem::path> inputs = {arguments.weights, config_file, arguments.proposals};
    results.emplace(output_file("--results", arguments.results, inputs));
  }
  auto model = nn::load_model(arguments.weights, of_model);
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
  auto* command = app.add_subcommand(
      "eval", "score weights on a data set's test part, a list of detections, or stored proposals");
  auto arguments = std::make_shared<EvalArguments>();
  auto& a = *arguments;
  auto* weights = command->add_option("--weights", a.weights, "weight file that describes itself");
  auto* config = command->add_option(
      "config", a.words,
      "config whose data to score on (default: the one in the weights), key=value ...; without --weights any "
      "data set, for --proposal-file");
  auto* results = command->add_option("--results", a.results,
                                      "with --weights: write the detections as COCO results, too");
  command->add_option("--proposal-file", a.proposals,
                      "proposals for weights that need them (Fast R-CNN) [data.test.proposals, or Selective "
                      "Search makes them]; without --weights: scores these");
  auto* device =
      command->add_option("--device", a.detector.device, "auto, cpu or cuda")->capture_default_str();
  auto* precision = add_precision(*command, a.detector.precision);
  const auto refinement = add_refinement(*command, a.detector);
  add_score_files(*command, a.files);
  const auto before = command->get_options().size();
  add_locate(*command, a.dataset.locate);
  add_policies(*command, a.dataset.locate);
  // Not CLI11's excludes(), which help pages list in the order of addresses.
  std::vector<const CLI::Option*> of_model = {results, device, precision}, of_dataset;
  for (const auto* option : refinement) of_model.push_back(option);
  const auto options = command->get_options();
  of_dataset.assign(options.begin() + static_cast<std::ptrdiff_t>(before), options.end());
  command->callback([=] {
    if (!arguments->files.annotations.empty()) {
      constexpr const char* kWithoutModel = "is of weights, and --annotations scores without a model";
      refuse({weights, config}, kWithoutModel);
      refuse(of_model, kWithoutModel);
      refuse(of_dataset, "is of a data set, and --annotations is a file of its own");
      return score_by_annotations(*arguments);
    }
    check_options(arguments->files);
    if (arguments->weights.empty()) {
      refuse(of_model, "is of weights: give --weights F");
      return score_on_dataset(*arguments);
    }
    refuse(of_dataset, "is of a data set whose stored proposals are scored, without --weights");
    score_weights(*arguments);
  });
}

}  // namespace rcnn::tools
