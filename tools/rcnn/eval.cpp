#include <memory>
#include <utility>

#include <rcnn/data/options.h>
#include <rcnn/nn/model_file.h>

#include "commands.h"
#include "evaluate.h"
#include "freed_memory.h"
#include "score_files.h"

namespace rcnn::tools {
namespace {

struct Arguments {
  std::string weights, results;
  DetectorOptions detector;
  std::vector<std::string> words;  // a config file, key=value ...
  ScoreFilesArguments files;       // its flags hold for weights, too
};

void run(const Arguments& arguments) {
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
  auto model = nn::load_model(arguments.weights, model_overrides);
  if (!config_file.empty()) model.config = config::Config::load(config_file, overrides);
  const auto root = model.config.root();
  const auto data = data::DataOptions::from(root.child("data"));
  const auto options = EvalOptions::from(root.child("eval"), data.type);
  root.has("model");
  root.has("train");
  root.finish();
  const auto test = open_test_set(data, model.categories);
  const TensorDetector detector(std::move(model), arguments.detector);
  const bool proposals = arguments.files.proposals;
  const auto [score, images] = proposals
                                   ? evaluate_proposals(detector, test)
                                   : *evaluate(detector, test, options, arguments.files.score, kNeverStop);
  if (!arguments.results.empty()) {
    auto categories = test.dataset->categories();
    if (proposals) categories.front().name = "object";  // any id of the data set's will do
    write_results(arguments.results, images, categories);
  }
  print(score, arguments.files.json);
}

/// Either weights or a pair of files.
void choose(const Arguments& arguments) {
  const auto& files = arguments.files;
  const bool any_file = !files.annotations.empty() || !files.detections.empty();
  if (arguments.weights.empty() && !any_file) {
    throw ConfigError("eval: give --weights F, or --annotations GT.json with --detections DT.json");
  }
  if (files.proposals && (files.score.per_class || files.score.errors)) {
    throw ConfigError("eval: --proposals have no classes: give it without --per-class and --errors");
  }
  if (!any_file) return run(arguments);
  if (!arguments.weights.empty() || !arguments.words.empty()) {
    throw ConfigError(
        "eval: --annotations and --detections are scored without --weights and without a config");
  }
  if (files.annotations.empty() || files.detections.empty()) {
    throw ConfigError("eval: --annotations and --detections go together");
  }
  score_files(files);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto* command =
      app.add_subcommand("eval", "score weights on a data set's test part, or a list of detections");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--weights", arguments->weights, "weight file that describes itself");
  command->add_option("config", arguments->words,
                      "config whose data to score on (default: the one in the weights), key=value ...");
  command->add_option("--annotations", arguments->files.annotations,
                      "COCO instances to score --detections against");
  command->add_option("--detections", arguments->files.detections, "COCO results to score, without a model");
  command->add_option("--results", arguments->results,
                      "with --weights: write the detections as COCO results, too");
  command->add_flag("--per-class", arguments->files.score.per_class,
                    "COCO's numbers by class, too (in JSON they are always there)");
  command->add_flag("--errors", arguments->files.score.errors,
                    "why detections are wrong: TIDE's errors and the classes that are confused");
  command->add_flag(
      "--proposals", arguments->files.proposals,
      "score the RPN alone (or --detections whatever their class): recall of up to 1000 proposals an "
      "image; the model makes at most model.rpn.test.post_nms");
  command->add_flag("--json", arguments->files.json, "one JSON object on stdout instead of a table");
  command->add_option("--device", arguments->detector.device, "auto, cpu or cuda")->capture_default_str();
  add_precision(*command, arguments->detector.precision);
  command->callback([arguments] { choose(*arguments); });
}

}  // namespace rcnn::tools
