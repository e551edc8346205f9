#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include <rcnn/data/options.h>

#include "commands.h"
#include "evaluate.h"

namespace rcnn::tools {
namespace {

struct Arguments {
  std::string weights, device = "auto";
  std::vector<std::string> words;  // a config file, key=value ...
  bool json = false;
};

nlohmann::ordered_json to_json(const eval::VocMap& result, const std::vector<Category>& categories) {
  nlohmann::ordered_json per_class = nlohmann::ordered_json::object();
  for (size_t i = 0; i < categories.size(); ++i) {
    const auto& ap = result.classes[i].average_precision;
    per_class[categories[i].name] = ap ? nlohmann::ordered_json(*ap) : nlohmann::ordered_json(nullptr);
  }
  return {{"metric", "voc"}, {"mAP", result.mean_average_precision}, {"per_class", per_class}};
}

void run(const Arguments& arguments) {
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
  auto data = data::DataOptions::from(root.child("data"));
  const auto options = EvalOptions::from(root.child("eval"));
  root.has("model");
  root.has("train");
  root.finish();
  data.classes.clear();
  for (const auto& category : model.categories) data.classes.push_back(category.name);

  const auto dataset = data::open(data, data.test);
  const Detector detector(model, parse_device(arguments.device));
  const auto result = evaluate(detector, *dataset, options);
  if (arguments.json) {
    std::cout << to_json(result, model.categories) << std::endl;
  } else {
    std::cout << eval::to_table(result, model.categories);
  }
}

}  // namespace

void add_eval(CLI::App& app) {
  auto* command = app.add_subcommand("eval", "score weights on a data set's test part");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--weights", arguments->weights, "weight file that rcnn train wrote")->required();
  command->add_option("config", arguments->words,
                      "config whose data to score on (default: the one in the weights), key=value ...");
  command->add_flag("--json", arguments->json, "one JSON object on stdout instead of a table");
  command->add_option("--device", arguments->device, "auto, cpu or cuda")->capture_default_str();
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
