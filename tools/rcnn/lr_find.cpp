#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/device.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/files/new_folder.h>
#include <rcnn/log.h>
#include <rcnn/train/lr_range.h>
#include <rcnn/train/training.h>
#include <rcnn/vis/charts/plot.h>

#include "commands.h"
#include "evaluate.h"
#include "stop_signals.h"

namespace rcnn::tools {
namespace {

struct LrFindArguments {
  std::string config, output, device = "auto";
  std::vector<std::string> overrides;
  train::LrRangeOptions range;
};

/// A rate with the digits that such a test can tell, as an override has it.
std::string short_number(double rate) {
  return fmt::format("{:.2g}", rate);
}

constexpr double kLeftOut = std::numeric_limits<double>::quiet_NaN();

std::string draw(const std::vector<train::LrPoint>& points, const train::LrSuggestion& suggestion) {
  vis::Curve loss{.name = "loss of a batch", .faint = true};
  vis::Curve smoothed{.name = "smoothed", .y = suggestion.smoothed};
  for (const auto& point : points) {
    loss.x.push_back(point.lr);
    loss.y.push_back(point.loss > suggestion.ceiling ? kLeftOut : point.loss);
  }
  smoothed.x = loss.x;
  std::vector<vis::Mark> marks;
  const auto mark = [&](const std::optional<double>& rate, const char* what) {
    if (!rate) return;
    const auto place = std::find(loss.x.begin(), loss.x.end(), *rate) - loss.x.begin();
    marks.push_back({*rate, suggestion.smoothed[place], fmt::format("{} {}", what, short_number(*rate))});
  };
  mark(suggestion.steepest, "steepest");
  mark(suggestion.lowest, "lowest");
  return vis::plot(
      std::vector{loss, smoothed},
      {.title = "Learning rate range test", .x_label = "learning rate", .y_label = "loss", .log_x = true},
      marks);
}

/// What the config has to say for the solver to take this rate: with base_batch, its rate is for other
/// batches.
double in_config(double rate, train::TrainOptions options) {
  options.schedule.lr = 1;
  return rate / options.effective_lr();
}

std::string to_json(const std::vector<train::LrPoint>& points, const train::LrSuggestion& suggestion,
                    const std::optional<double>& rate) {
  using Json = nlohmann::ordered_json;
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  Json json = {{"suggestion", or_null(rate)},
               {"steepest", or_null(suggestion.steepest)},
               {"lowest", or_null(suggestion.lowest)},
               {"remark", suggestion.remark},
               {"points", Json::array()}};
  for (size_t i = 0; i < points.size(); ++i) {
    json["points"].push_back(
        {{"lr", points[i].lr}, {"loss", points[i].loss}, {"smoothed", suggestion.smoothed[i]}});
  }
  return json.dump(1) + "\n";
}

void check(const train::LrRangeOptions& range) {
  if (range.from > 0 && range.from < range.to && std::isfinite(range.to) && range.iterations > 0) return;
  throw ConfigError(
      fmt::format("--from {} --to {} --iterations {}: the rates must be above 0 and grow, "
                  "in one iteration at least",
                  range.from, range.to, range.iterations));
}

constexpr StopWords kLrFindStopWords{
    .at_once = "interrupted before the first iteration\n",
    .requested =
        "stops after this iteration and writes the losses so far; Ctrl-C once more leaves at once\n"};

void run(const LrFindArguments& arguments) {
  check(arguments.range);
  const StopSignals signals(kLrFindStopWords);
  const auto config = config::Config::load(arguments.config, arguments.overrides);
  auto training = train::Training::from(config, parse_device(arguments.device));
  const auto root = config.root();
  EvalOptions::from(root.child("eval"), training.data,
                    *nn::as_detection_model(training.described.model, root.child("model")));
  const auto train_options =
      std::exchange(training.options, train::lr_range_options(training.options, arguments.range));
  const std::filesystem::path output = arguments.output;
  io::make_new_folder(output);
  training.load_initial_weights();
  train::Trainer trainer(training);
  signals.defer();
  const auto report = [](const train::Progress& progress) {
    if (progress.iteration % 10 != 0 && progress.iteration != progress.iterations) return;
    log::info(fmt::format("iter {}/{}  lr {:.2e}  loss {:.4f}", progress.iteration, progress.iterations,
                          progress.lr, progress.loss));
  };
  const auto points = train::run_lr_range(trainer, report, [&] { return signals.requested(); });
  const auto suggestion = train::suggest_lr(points);
  std::optional<double> rate;
  if (suggestion.steepest) rate = in_config(*suggestion.steepest, train_options);

  const auto picture = output / "lr_find.svg", numbers = output / "lr_find.json";
  io::write_atomically(picture, draw(points, suggestion));
  io::write_atomically(numbers, to_json(points, suggestion, rate));
  log::info(fmt::format("the loss at each rate: {} and {}", picture.string(), numbers.string()));
  if (signals.requested()) {
    log::info(
        fmt::format("interrupted after {} of {} iterations", points.size(), arguments.range.iterations));
    throw CLI::RuntimeError(signals.exit_code());
  }
  if (rate) {
    std::cout << "train.lr=" << short_number(*rate) << std::endl;
    log::info(
        fmt::format("train.lr={}: there the loss falls steepest; a tenth of the rate where it is lowest, {}, "
                    "is the other "
                    "custom",
                    short_number(*rate), short_number(in_config(*suggestion.lowest / 10, train_options))));
  }
  if (!suggestion.remark.empty()) {
    log::warn(fmt::format("{}{}", rate ? "" : "no suggestion: ", suggestion.remark));
  }
}

}  // namespace

void add_lr_find(CLI::App& app) {
  auto* command = app.add_subcommand(
      "lr-find", "suggest a learning rate: train a little with growing rates and see what the loss does");
  auto arguments = std::make_shared<LrFindArguments>();
  command->add_option("config", arguments->config, "config file")->required();
  command->add_option("overrides", arguments->overrides, "key=value ..., instead of what the config says");
  command->add_option("--output", arguments->output, "folder for lr_find.svg and lr_find.json; new or empty")
      ->required();
  command->add_option("--iterations", arguments->range.iterations, "batches to train with")
      ->capture_default_str();
  command->add_option("--from", arguments->range.from, "the first rate")->capture_default_str();
  command->add_option("--to", arguments->range.to, "the rate at the end")->capture_default_str();
  command->add_option("--device", arguments->device, "auto, cpu or cuda")->capture_default_str();
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
