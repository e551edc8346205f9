#include "train/training_stage.h"

#include <memory>
#include <utility>

#include <rcnn/log.h>

#include "train/expected_weights.h"
#include "train/stage_parts.h"

namespace rcnn::train {
namespace {

std::map<std::string, std::string> inputs_of(const Stage& stage) {
  auto inputs = numbers_of_weights(stage);
  for (const auto& product : stage.products) {
    if (!product.key.starts_with("data.") || !product.is_there()) continue;
    inputs[product.file.lexically_relative(stage.folder.parent_path()).string()] =
        fingerprint_of(product.file);
  }
  if (needs_missing_data(stage)) return inputs;
  const auto options = data::DataOptions::from(stage.config.root().child("data"));
  inputs["the training images and their boxes"] = number_of(options, options.train);
  return inputs;
}

/// Builds the model, and tries weights that are not there yet on it, while the proposals are still to be
/// made.
void try_without_proposals(const Stage& stage, data::DataOptions data, const at::Device& device) {
  data.train.proposals.clear();
  data::Problems told_later;
  auto images = data::open(data, data.train, told_later);
  if (told_later.has(data::Severity::error)) return;
  try_initial_weights(Training::from(stage.config, device, std::move(images)), stage.products);
}

}  // namespace

std::function<bool()> prepare_training(const Stage& stage, const StageContext& context) {
  const bool reopen = goes_on(stage, context.resume);
  const auto root = stage.config.root();
  const auto later = product_files(stage);
  if (needs_missing_data(stage)) {
    auto data = data::DataOptions::from(root.child("data"));
    TrainOptions::from(root.child("train"));
    check_initial_weights(root.child("model"), later);
    if (lacks_proposals_alone(stage)) try_without_proposals(stage, std::move(data), context.device);
    return [] { return false; };  // not to be called before it is prepared anew
  }
  auto training = std::make_shared<Training>(Training::from(stage.config, context.device));
  check_proposals(*training);
  auto watch = context.watch ? context.watch(*training) : Watch();
  if (!reopen) {  // nothing is made when they do not fit
    check_initial_weights(root.child("model"), later);
    stage.missing() ? try_initial_weights(*training, stage.products) : training->load_initial_weights();
  }
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
  return {.products = {{"last.safetensors", "weights"}, {"best.safetensors", "weights"}},
          .prepare = prepare_training,
          .inputs = inputs_of};
}

}  // namespace rcnn::train
