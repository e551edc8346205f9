#include "train/training_stage.h"

#include <memory>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/data/fingerprint.h>
#include <rcnn/log.h>

#include "io/files/checksum.h"

namespace rcnn::train {
namespace {

std::map<std::string, std::string> inputs_of(const Stage& stage) {
  const auto root = stage.config.root();
  std::map<std::string, std::string> inputs;
  for (const auto& file : initial_weights(root.child("model"))) {
    if (const auto number = fingerprint_of(file); !number.empty()) inputs[file.string()] = number;
  }
  const auto options = data::DataOptions::from(root.child("data"));
  data::Problems told_before;
  const auto numbers = data::fingerprint(*data::open(options, options.train, told_before));
  io::Checksum sum;
  sum.add({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0])});
  inputs["the training images and their boxes"] = sum.digits();
  return inputs;
}

}  // namespace

std::function<bool()> prepare_training(const Stage& stage, const StageContext& context) {
  auto training = std::make_shared<Training>(Training::from(stage.config, context.device));
  auto watch = context.watch ? context.watch(*training) : Watch();
  if (Chain::lies_in(stage.folder)) {
    throw ConfigError(fmt::format("--output {}: holds a chain of stages: go on with it by its own config",
                                  stage.folder.string()));
  }
  const bool reopen = context.resume != Run::Resume::no && RunFolder::is_one(stage.folder);
  if (!reopen && stage.is_ready()) training->load_initial_weights();  // nothing is made when they do not fit
  return [folder = stage.folder, resume = context.resume, reopen, training, watch = std::move(watch)] {
    auto opened = reopen ? RunFolder::reopen(folder) : RunFolder::create(folder);
    const auto log_file = opened.log();
    log::also_to(log_file);
    Run run(std::move(*training), std::move(opened), watch.scoring, resume);
    if (watch.on_begin) watch.on_begin(run);
    const auto outcome = run.fit(watch.hooks);
    if (watch.on_end) watch.on_end(run, outcome);
    log::no_longer_to(log_file);
    return outcome != Run::Outcome::interrupted;
  };
}

StageKind training_stage() {
  return {
      .products = {"last.safetensors", "best.safetensors"}, .prepare = prepare_training, .inputs = inputs_of};
}

}  // namespace rcnn::train
