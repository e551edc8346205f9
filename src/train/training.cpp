#include <algorithm>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/log.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/weights/initial_weights.h>
#include <rcnn/nn/weights/weight_names.h>
#include <rcnn/train/freeze.h>
#include <rcnn/train/stages.h>
#include <rcnn/train/training.h>

#include "train/weight_sources.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;

void check_is_there(const fs::path& file) {
  if (std::error_code unclear; fs::exists(file, unclear) || unclear) return;
  throw WeightsError(
      fmt::format("{}: No such file; data/README.md says under \"Weights\" where model.weights come from",
                  file.string()));
}

}  // namespace

void check_initial_weights(const config::Node& model, std::span<const fs::path> later) {
  for (const auto& file : initial_weights(model)) {
    if (std::ranges::find(later, file) == later.end()) check_is_there(file);
  }
}

bool check_proposals(const Training& training) {
  const auto detector = std::dynamic_pointer_cast<nn::DetectionModelImpl>(training.described.model);
  if (!detector || !detector->needs_proposals()) return false;
  for (int64_t i = 0; i < training.dataset->size(); ++i) {
    const auto& record = training.dataset->record(i);
    if (record.proposals) continue;
    throw ConfigError(fmt::format(
        "data.train.proposals: the model finds objects among proposals, and {} has none: give a file of them",
        i == 0 ? "the training data" : fmt::format("image {}", record.id)));
  }
  return true;
}

std::vector<fs::path> initial_weights(const config::Node& model) {
  std::vector<fs::path> files;
  for (const auto& source : weight_sources(model)) files.push_back(source.file);
  return files;
}

Training Training::from(const config::Config& config, const at::Device& device,
                        std::shared_ptr<const data::Dataset> dataset) {
  const auto root = config.root();
  auto data = data::DataOptions::from(root.child("data"));
  auto options = TrainOptions::from(root.child("train"));
  const auto model_node = root.child("model");
  root.has("eval");
  Chain::refuse(config);
  root.finish();
  if (!dataset) dataset = data::open(data, data.train);
  torch::manual_seed(options.seed);
  auto model = nn::make_model(model_node, static_cast<int64_t>(dataset->categories().size()));
  freeze(*model, options, root.child("train"));
  nn::DescribedModel described{std::move(model), dataset->categories(), config};
  return {.data = std::move(data),
          .options = std::move(options),
          .dataset = std::move(dataset),
          .described = std::move(described),
          .device = device};
}

void Training::load_initial_weights() {
  if (std::exchange(has_initial_weights, true)) return;
  const auto node = described.config.root().child("model");
  auto& model = *described.model;
  std::set<std::string> loaded, derived;  // by any of the files
  nn::LoadReport all;
  std::string files;
  bool chosen = false;
  for (const auto& source : weight_sources(node)) {
    const auto file = source.file.string();
    check_is_there(source.file);
    const auto weights = nn::read_weights(source.file, nn::WeightNamesOptions::from(node));
    if (!weights.summary.empty()) log::info(fmt::format("{}: {}", file, weights.summary));
    auto report = nn::load_initial(model, model.published(weights.tensors), file, source.only);
    source.check_patterns(report.loaded, model);
    loaded.insert(report.loaded.begin(), report.loaded.end());
    derived.insert(report.derived.begin(), report.derived.end());
    std::erase_if(report.fresh,
                  [&](const std::string& name) { return loaded.contains(name) || derived.contains(name); });
    all.fresh = report.fresh;
    all.unused.insert(all.unused.end(), report.unused.begin(), report.unused.end());
    report.unused.insert(report.unused.end(), weights.left_out.begin(), weights.left_out.end());
    log::info(fmt::format(
        "initial weights {}: {} tensors{}; start fresh: {}; unused: {}", file, report.loaded.size(),
        report.derived.empty() ? "" : fmt::format(", {} more made of them", report.derived.size()),
        report.fresh.empty() ? "none" : nn::counted_parts(report.fresh),
        report.unused.empty() ? "none" : nn::counted_parts(report.unused)));
    chosen |= !source.only.empty();
    files += files.empty() ? file : ", " + file;
  }
  this->loaded.assign(loaded.begin(), loaded.end());
  // What is left fresh on request is no cause for doubt.
  if (files.empty() || chosen) return;
  all.loaded.assign(loaded.begin(), loaded.end());
  all.derived.assign(derived.begin(), derived.end());
  const auto doubts = nn::doubts_about(all, model);
  if (!doubts.empty()) log::warn(fmt::format("initial weights {}: {}", files, doubts));
}

}  // namespace rcnn::train
