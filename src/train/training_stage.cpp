#include "train/training_stage.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/data/fingerprint.h>
#include <rcnn/log.h>

#include "io/files/checksum.h"

namespace rcnn::train {
namespace {

/// Whether its data come from a stage that is not done.
bool needs_missing_data(const Stage& stage) {
  return std::ranges::any_of(stage.products, [](const Product& product) {
    return product.key.starts_with("data.") && !product.is_there();
  });
}

std::map<std::string, std::string> inputs_of(const Stage& stage) {
  const auto root = stage.config.root();
  std::map<std::string, std::string> inputs;
  for (const auto& file : initial_weights(root.child("model"))) {
    const auto inside = file.lexically_relative(stage.folder.parent_path());
    const bool of_chain = !inside.empty() && *inside.begin() != "..";  // which may be moved
    if (const auto number = fingerprint_of(file); !number.empty())
      inputs[(of_chain ? inside : file).string()] = number;
  }
  if (needs_missing_data(stage)) return inputs;
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
  Chain::refuse(stage.folder);
  const bool reopen = context.resume != Run::Resume::no && RunFolder::is_one(stage.folder);
  if (!reopen) RunFolder::check_new(stage.folder);
  const auto root = stage.config.root();
  std::vector<std::filesystem::path> later;
  for (const auto& product : stage.products) later.push_back(product.file);
  if (needs_missing_data(stage)) {
    data::DataOptions::from(root.child("data"));
    TrainOptions::from(root.child("train"));
    check_initial_weights(root.child("model"), later);
    return [] { return false; };  // not to be called before it is prepared anew
  }
  auto training = std::make_shared<Training>(Training::from(stage.config, context.device));
  auto watch = context.watch ? context.watch(*training) : Watch();
  if (!reopen) {  // nothing is made when they do not fit
    check_initial_weights(root.child("model"), later);
    if (!stage.missing()) training->load_initial_weights();
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
  return {
      .products = {"last.safetensors", "best.safetensors"}, .prepare = prepare_training, .inputs = inputs_of};
}

}  // namespace rcnn::train
