#include "train/expected_weights.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include <torch/torch.h>

#include <rcnn/nn/models/model.h>
#include <rcnn/train/freeze.h>

#include "config/name_pattern.h"
#include "train/weight_sources.h"

namespace rcnn::train {
namespace {

/// Whether two configs have the same classes for sure: the same data, whatever proposals come with them.
bool have_same_classes(const config::Config& a, const config::Config& b) {
  return std::ranges::none_of(config::differences(a, b), [](const config::Difference& difference) {
    const std::string_view key = difference.key;
    return key.starts_with("data.") && !key.starts_with("data.test.") &&
           !key.starts_with("data.train.proposal");
  });
}

/// Whether every parameter that is not frozen moves.
bool all_move(const TrainOptions& options) {
  const auto& solver = options.solver;
  return options.schedule.lr > 0 && solver.bias_lr > 0 && solver.backbone_lr > 0 &&
         std::ranges::all_of(solver.factors, [](const auto& entry) { return entry.second.lr > 0; });
}

nn::TensorMap without_values(const nn::TensorMap& tensors) {
  nn::TensorMap shapes;
  for (const auto& [name, tensor] : tensors)
    shapes.emplace(name, at::zeros({}, tensor.options()).expand(tensor.sizes()));
  return shapes;
}

}  // namespace

const nn::TensorMap* ExpectedWeights::of(const Product& product) {
  const auto& found = known(*product.maker);
  return found ? &found->tensors : nullptr;
}

std::string ExpectedWeights::trained_in(const Product& product, const std::string& name) {
  const auto& stage = *product.maker;
  const auto& found = known(stage);
  if (!found || !found->tensors.contains(name)) return "";
  if (found->learning.contains(name)) return stage.name;
  const auto sources = weight_sources(stage.config.root().child("model"));
  for (const auto& source : std::views::reverse(sources)) {  // the last one counts
    if (!source.only.empty() && !config::any_matches(source.only, name)) continue;
    const auto earlier = std::ranges::find(stage.products, source.file, &Product::file);
    if (earlier == stage.products.end()) return "";
    const auto* const given = of(*earlier);
    if (!given || given->contains(name)) return given ? trained_in(*earlier, name) : "";
  }
  return "";
}

const std::optional<ExpectedWeights::Known>& ExpectedWeights::known(const Stage& stage) {
  auto found = known_.find(stage.folder);
  if (found == known_.end()) found = known_.emplace(stage.folder, made(stage)).first;
  return found->second;
}

std::optional<ExpectedWeights::Known> ExpectedWeights::made(const Stage& stage) const {
  const bool trains = stage.kind == "train";
  const auto classes = classes_of(stage.config);
  if ((!trains && stage.kind != "assemble") || !classes) return std::nullopt;
  const auto root = stage.config.root();
  const auto model = nn::make_model(root.child("model"), *classes);
  Known known{.tensors = without_values(model->published(nn::state_of(*model))), .learning = {}};
  const auto options = TrainOptions::from(root.child("train"));
  if (!trains || !all_move(options)) return known;
  freeze(*model, options, root.child("train"));
  for (const auto& item : model->named_parameters()) {
    if (item.value().requires_grad()) known.learning.insert(item.key());
  }
  return known;
}

std::optional<int64_t> ExpectedWeights::classes_of(const config::Config& config) const {
  if (!have_same_classes(config, training_.described.config)) return std::nullopt;
  return std::ssize(training_.described.categories);
}

const Product* missing_product(std::span<const Product> products, const std::filesystem::path& file) {
  const auto found = std::ranges::find(products, file, &Product::file);
  return found == products.end() || found->is_there() ? nullptr : &*found;
}

void try_initial_weights(const Training& training, std::span<const Product> products) {
  auto& model = *training.described.model;
  ExpectedWeights expected(training);
  for (const auto& source : weight_sources(training.described.config.root().child("model"))) {
    const auto* const product = missing_product(products, source.file);
    const auto* const tensors = product ? expected.of(*product) : nullptr;
    if (!tensors) continue;
    const auto report = nn::load_initial(model, model.published(*tensors), source.file.string(), source.only);
    source.check_patterns(report.loaded, model);
  }
}

}  // namespace rcnn::train
