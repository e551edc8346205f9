#include "train/assemble_stage.h"

#include <memory>
#include <utility>

#include <rcnn/log.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/train/training.h>

#include "train/stage_parts.h"
#include "train/whole_weights.h"

namespace rcnn::train {
namespace {

/// Scores the model as a training scores its own.
void score(const Training& training, const Watch& watch, RunFolder& folder) {
  if (!watch.hooks.evaluate) return;
  training.described.model->eval();
  const auto scores = watch.hooks.evaluate(training.described);
  if (scores) folder.append(ScoredIteration{.epoch = 0, .iteration = 0, .scores = *scores});
}

std::function<bool()> prepare_assembly(const Stage& stage, const StageContext& context) {
  const bool reopen = goes_on(stage, context.resume);
  const auto model = stage.config.root().child("model");
  check_initial_weights(model, product_files(stage));
  auto training = std::make_shared<Training>(Training::from(stage.config, context.device));
  auto watch = context.watch ? context.watch(*training) : Watch();
  load_whole_weights(*training, stage.products);
  return [folder = stage.folder, reopen, training, watch = std::move(watch)] {
    auto opened = reopen ? RunFolder::reopen(folder) : RunFolder::create(folder);
    opened.write_config(training->described.config);
    log::also_to(opened.log());
    nn::save_model(opened.weights(), training->described);
    score(*training, watch, opened);
    log::info("weights: " + opened.weights().string());
    log::no_longer_to(opened.log());
    return true;
  };
}

}  // namespace

StageKind assemble_stage() {
  return {.products = {{"last.safetensors", "weights"}},
          .prepare = prepare_assembly,
          .inputs = numbers_of_weights};
}

}  // namespace rcnn::train
