#include <algorithm>
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/options.h>
#include <rcnn/log.h>
#include <rcnn/train/run_folder.h>
#include <rcnn/train/trainer.h>

#include "commands.h"
#include "evaluate.h"
#include "initial_model.h"

namespace rcnn::tools {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_line(const train::Progress& progress) {
  auto line = fmt::format("epoch {}/{}  iter {}/{}  eta {}  lr {:.2e}  loss {:.4f}", progress.epoch,
                          progress.epochs, progress.iteration, progress.iterations,
                          duration(progress.eta_seconds), progress.lr, progress.loss);
  for (const auto& [name, value] : progress.losses) line += fmt::format("  {} {:.4f}", name, value);
  return line + fmt::format("  time {:.3f}  data {:.3f}  mem {} MB", progress.iteration_seconds,
                            progress.data_seconds, progress.memory_bytes >> 20);
}

std::string skipped_line(const std::vector<data::BadImage>& skipped) {
  constexpr size_t kNamed = 5;
  std::vector<std::string> named;
  for (size_t i = 0; i < std::min(kNamed, skipped.size()); ++i) named.push_back(skipped[i].message);
  return fmt::format("left out {} images that cannot be decoded: {}{}", skipped.size(),
                     fmt::join(named, "; "),
                     skipped.size() > kNamed ? fmt::format("; and {} more", skipped.size() - kNamed) : "");
}

}  // namespace

std::filesystem::path train(const config::Config& config, const std::filesystem::path& output,
                            const std::string& device_name) {
  const auto root = config.root();
  const auto data_options = data::DataOptions::from(root.child("data"));
  const auto train_options = train::TrainOptions::from(root.child("train"));
  const auto eval_options = EvalOptions::from(root.child("eval"), data_options.type);
  const auto model_node = root.child("model");
  root.finish();
  const auto device = parse_device(device_name);

  const auto dataset = data::open(data_options, data_options.train);
  auto test_options = data_options;
  test_options.classes.clear();
  for (const auto& category : dataset->categories()) test_options.classes.push_back(category.name);
  const auto test_set = data::open(test_options, data_options.test);

  const auto model =
      initial_model(model_node, static_cast<int64_t>(dataset->categories().size()), train_options.seed);

  auto folder = train::RunFolder::create(output);
  log::also_to(folder.log());
  folder.write_config(config);
  log::info(fmt::format("training data, {} images:\n{}", dataset->size(),
                        data::to_table(data::class_counts(*dataset))));

  if (train_options.base_batch > 0) {
    log::info(fmt::format("lr {:g}: {:g} for {} images a step, of which there are {} here",
                          train_options.effective_lr(), train_options.schedule.lr, train_options.base_batch,
                          train_options.images_per_step()));
  }

  const nn::DescribedModel described{model, dataset->categories(), config};
  train::Trainer trainer(model, dataset, data_options.train_transform(), data_options.train_loader(),
                         train_options, device);
  int64_t scored_epoch = 0;
  const auto on_progress = [&](const train::Progress& progress) {
    log::info(progress_line(progress));
    folder.append(progress);
  };
  const auto on_checkpoint = [&](const train::Checkpoint& checkpoint) {
    nn::save_model(folder.weights(), described);
    const bool due = eval_options.period > 0 && checkpoint.epoch - scored_epoch >= eval_options.period;
    if (!due && !checkpoint.last) return;
    scored_epoch = checkpoint.epoch;
    const auto result =
        evaluate(Detector(described, device), test_options, *test_set, eval_options, {.per_class = true});
    folder.append_score(checkpoint.epoch, checkpoint.iteration, result.score.value);
    log::info(result.score.table);
  };
  trainer.fit({.on_progress = on_progress, .on_checkpoint = on_checkpoint});
  if (!trainer.skipped().empty()) log::warn(skipped_line(trainer.skipped()));
  log::info(fmt::format("weights: {}", folder.weights().string()));
  return folder.weights();
}

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "train a detector as a config says");
  struct Arguments {
    std::string config, output, device = "auto";
    std::vector<std::string> overrides;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("config", arguments->config, "config file")->required();
  command->add_option("overrides", arguments->overrides, "key=value ..., instead of what the config says");
  command->add_option("--output", arguments->output, "folder for weights, metrics and log; new or empty")
      ->required();
  command->add_option("--device", arguments->device, "auto, cpu or cuda")->capture_default_str();
  command->callback([arguments] {
    train(config::Config::load(arguments->config, arguments->overrides), arguments->output,
          arguments->device);
  });
}

}  // namespace rcnn::tools
