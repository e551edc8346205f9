#include <charconv>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/data/options.h>
#include <rcnn/nn/models/model_summary.h>
#include <rcnn/train/freeze.h>
#include <rcnn/train/stages.h>

#include "commands.h"
#include "info_stages.h"

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;

struct InfoArguments {
  std::string config, size, stage;
  std::vector<std::string> overrides;
  int64_t classes = 0;
  bool layers = false, training = false, json = false;
};

ImageSize parse_size(const std::string& text) {
  ImageSize size;
  const char* const end = text.data() + text.size();
  const auto [cross, wrong_height] = std::from_chars(text.data(), end, size.height);
  if (wrong_height == std::errc() && cross != end && *cross == 'x') {
    const auto [stop, wrong_width] = std::from_chars(cross + 1, end, size.width);
    if (wrong_width == std::errc() && stop == end && size.height > 0 && size.width > 0) return size;
  }
  throw ConfigError(fmt::format("--size: \"{}\" is no HEIGHTxWIDTH, as in 800x1333", text));
}

int64_t count_classes(const InfoArguments& arguments, const data::DataOptions& options) {
  if (arguments.classes > 0) return arguments.classes;
  if (!options.classes.empty()) return std::ssize(options.classes);
  auto part = options.train;
  part.proposals.clear();  // they have no classes, and may be still to be made
  try {
    return std::ssize(data::open(options, part)->categories());
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}; or say how many classes there are: --classes N", error.what()));
  }
}

/// Makes every RoI layer count for as many proposals as the config allows, whatever the weights: with all of
/// them 0 the proposals are the anchors, of which none is dropped.
std::shared_ptr<nn::ModelImpl> make_model(const config::Config& config, int64_t classes) {
  auto model = nn::make_model(config.root().child("model"), classes);
  if (model->named_children().contains("rpn")) {
    const std::vector<std::string> all{"model.rpn.nms_threshold=1", "model.rpn.min_size=0"};
    model = nullptr;  // there is not always room for two
    const auto changed = config::Config::parse(config.dump(), "the config", all);
    model = nn::make_model(changed.root().child("model"), classes);
  }
  const torch::NoGradGuard no_grad;
  for (const auto& parameter : model->parameters()) parameter.zero_();
  return model;
}

/// How much of what a training keeps beside the weights, in bytes.
struct TrainingMemory {
  int64_t gradients = 0, solver = 0, ema = 0;
};

TrainingMemory training_memory(const train::TrainOptions& options, const nn::LayerSummary& all) {
  const int64_t copy = all.trainable * int64_t{sizeof(float)};
  const bool adamw = options.solver.type == train::SolverType::adamw;
  const int64_t copies = adamw ? 2 : options.solver.momentum > 0 ? 1 : 0;
  return {.gradients = copy, .solver = copies * copy, .ema = options.ema > 0 ? copy : 0};
}

struct ModelReport {
  ImageSize size;
  int64_t classes = 0;
  nn::ModelSummary model;
  TrainingMemory training;
  int64_t training_bytes = 0;  // 0: not measured
};

std::string shapes(const nn::LayerSummary& layer) {
  if (layer.outputs.empty()) return "";
  const auto more = layer.outputs.size() - 1;
  return fmt::format("{}{}", fmt::join(layer.outputs.front(), " x "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

std::string megabytes(int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

void print_text(const ModelReport& report, bool every_layer) {
  auto rows = every_layer ? report.model.layers : nn::parts(report.model.layers);
  rows.push_back(nn::total(report.model.layers));
  size_t width = 5;
  for (const auto& row : rows) width = std::max(width, row.name.size());
  std::cout << fmt::format("one image of {} x {} (height x width), {} classes\n", report.size.height,
                           report.size.width, report.classes)
            << fmt::format("{:{}} {:>12} {:>12} {:>15}  output\n", every_layer ? "layer" : "part", width,
                           "parameters", "trainable", "multiply-adds");
  for (const auto& row : rows) {
    std::cout << fmt::format("{:{}} {:>12} {:>12} {:>13.3f} G  {}\n", row.name.empty() ? "other" : row.name,
                             width, row.parameters, row.trainable,
                             static_cast<double>(row.multiply_adds) / 1e9, shapes(row));
  }
  const auto& [gradients, solver, ema] = report.training;
  const auto spare = report.model.spare_bytes;
  std::cout << fmt::format("weights {}{}; a training keeps also gradients {}, the solver's state {}{}\n",
                           megabytes(report.model.weight_bytes),
                           spare > 0 ? ", of which detecting does without " + megabytes(spare) : "",
                           megabytes(gradients), megabytes(solver),
                           ema > 0 ? ", averaged weights " + megabytes(ema) : "")
            << fmt::format("detecting: at most {} of tensors at once, besides the weights\n",
                           megabytes(report.model.inference_bytes));
  if (report.training_bytes > 0) {
    std::cout << fmt::format("training: at most {} of tensors at once for each image, gradients included\n",
                             megabytes(report.training_bytes));
  }
}

Json to_json(const std::vector<nn::LayerSummary>& layers) {
  auto list = Json::array();
  for (const auto& layer : layers) {
    list.push_back({{"name", layer.name},
                    {"parameters", layer.parameters},
                    {"trainable", layer.trainable},
                    {"multiply_adds", layer.multiply_adds},
                    {"outputs", layer.outputs}});
  }
  return list;
}

void print_json(const ModelReport& report, bool every_layer) {
  const auto all = nn::total(report.model.layers);
  Json json{{"height", report.size.height},
            {"width", report.size.width},
            {"classes", report.classes},
            {"parameters", all.parameters},
            {"trainable", all.trainable},
            {"multiply_adds", all.multiply_adds},
            {"parts", to_json(nn::parts(report.model.layers))}};
  if (every_layer) json["layers"] = to_json(report.model.layers);
  json["memory"] = {
      {"weights", report.model.weight_bytes},    {"training_only_weights", report.model.spare_bytes},
      {"gradients", report.training.gradients},  {"solver", report.training.solver},
      {"averaged_weights", report.training.ema}, {"detecting", report.model.inference_bytes}};
  if (report.training_bytes > 0) json["memory"]["training"] = report.training_bytes;
  std::cout << json.dump(1) << '\n';
}

void describe(const InfoArguments& arguments, const config::Config& config) {
  const auto root = config.root();
  const auto data_options = data::DataOptions::from(root.child("data"));
  const auto train_options = train::TrainOptions::from(root.child("train"));
  for (const auto* other : {"model", "eval"}) root.has(other);
  root.finish();

  ModelReport report;
  report.size = arguments.size.empty() ? ImageSize{data_options.min_size, data_options.max_size}
                                       : parse_size(arguments.size);
  report.classes = count_classes(arguments, data_options);
  const auto model = make_model(config, report.classes);
  train::freeze(*model, train_options, root.child("train"));
  report.model = nn::summarize(*model, report.size);
  report.training = training_memory(train_options, nn::total(report.model.layers));
  if (arguments.training) report.training_bytes = nn::training_bytes(*model, report.size);
  arguments.json ? print_json(report, arguments.layers) : print_text(report, arguments.layers);
}

/// Describes a chain, or the model of a stage of it.
void run_chain(const InfoArguments& arguments, const config::Config& config) {
  const train::Chain chain(config, "OUTPUT");
  if (!arguments.stage.empty()) return describe(arguments, stage_named(chain, arguments.stage).config);
  if (arguments.layers || arguments.training || !arguments.size.empty()) {
    throw ConfigError(
        fmt::format("{}: is a chain of stages: --size, --layers and --training are of the model of "
                    "one: --stage NAME",
                    arguments.config));
  }
  print_stages(chain, arguments.json, [&](const config::Config& stage) {
    return count_classes(arguments, data::DataOptions::from(stage.root().child("data")));
  });
}

void run(const InfoArguments& arguments) {
  const auto config = config::Config::load(arguments.config, arguments.overrides);
  if (train::Chain::is_one(config)) return run_chain(arguments, config);
  if (!arguments.stage.empty())
    throw ConfigError(fmt::format("--stage {}: {} is no chain of stages", arguments.stage, arguments.config));
  describe(arguments, config);
}

}  // namespace

void add_info(CLI::App& app) {
  auto* command = app.add_subcommand("info", "what a config's detector is made of, and what it costs");
  auto arguments = std::make_shared<InfoArguments>();
  command->add_option("config", arguments->config, "config file")->required();
  command->add_option("overrides", arguments->overrides, "key=value ..., instead of what the config says");
  command->add_option(
      "--size", arguments->size,
      "the image in network pixels, HEIGHTxWIDTH; data.min_size x data.max_size unless given");
  command
      ->add_option("--classes", arguments->classes,
                   "how many, without background; unless given, data.classes or the data set say it")
      ->check(CLI::PositiveNumber);
  command->add_option("--stage", arguments->stage,
                      "of a chain: the stage whose model is described; unless given, all are listed");
  command->add_flag("--layers", arguments->layers, "a row for every layer instead of every part");
  command->add_flag("--training", arguments->training,
                    "measure the memory of a training, too: a forward and a backward pass");
  command->add_flag("--json", arguments->json, "an object on stdout; sizes of memory in bytes");
  command->footer(
      "Multiply-adds are those of convolutions and matrix products, for as many proposals as\n"
      "model.rpn.test.post_nms allows, 2000 for a model that is given its proposals. Memory is that of "
      "tensors,\n"
      "counted by LibTorch's allocators.");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
