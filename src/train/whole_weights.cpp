#include "train/whole_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/io/weight_file.h>
#include <rcnn/nn/weights/weight_names.h>
#include <rcnn/nn/weights/weights.h>

#include "config/name_pattern.h"
#include "train/weight_sources.h"

namespace rcnn::train {
namespace {

/// What weights of a part of a model depend on and do not show: the beginning of their names, and the key.
constexpr std::array<std::pair<const char*, const char*>, 6> kMeanings = {
    {{"", "/model/legacy"},
     {"backbone.", "/model/pixels"},
     {"rpn.", "/model/rpn/anchors"},
     {"roi_heads.", "/model/roi/box_weights"},
     {"roi_heads.", "/model/roi/pooler"},
     {"roi_heads.", "/model/roi/class_agnostic"}}};

bool are_same(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && at::equal(a, b);
}

WeightsError disagreement(const std::filesystem::path& one, const std::filesystem::path& other,
                          const std::vector<std::string>& names) {
  return WeightsError(fmt::format(
      "{} and {}: differ in what they share, {}: parts of one model have to be trained on the same "
      "layers, which train.freeze keeps as they are",
      one.string(), other.string(), nn::counted_parts(names)));
}

/// Throws ConfigError where the file says that its weights mean something else than in the model at hand.
void check_description(const WeightSource& source, const std::vector<std::string>& taken,
                       const config::Config& config) {
  using Json = nlohmann::json;
  const auto metadata = io::read_weight_file(source.file).metadata;
  const auto said = metadata.find("config");
  if (said == metadata.end()) return;
  const auto theirs = Json::parse(config::Config::parse(said->second, source.file.string()).dump()),
             ours = Json::parse(config.dump());
  const auto gives = [&](std::string_view part) {
    return std::ranges::any_of(taken, [&](const std::string& name) { return name.starts_with(part); });
  };
  for (const auto& [part, key] : kMeanings) {
    const Json::json_pointer place(key);
    const auto theirs_value = theirs.contains(place) ? theirs.at(place) : Json(),
               ours_value = ours.contains(place) ? ours.at(place) : Json();
    if (!gives(part) || theirs_value == ours_value) continue;
    auto name = std::string(key).substr(1);
    std::ranges::replace(name, '/', '.');
    throw ConfigError(fmt::format("{}: was trained with {} {}, and the model that is put together has {}",
                                  source.file.string(), name, theirs_value.dump(), ours_value.dump()));
  }
}

}  // namespace

void load_whole_weights(Training& training) {
  auto& model = *training.described.model;
  const auto& config = training.described.config;
  const auto node = config.root().child("model");
  const auto sources = weight_sources(node);
  if (sources.empty())
    throw node.error("weights", "is missing: the files that the model's weights come from");
  const auto state = nn::state_of(model);
  nn::TensorMap whole;
  std::map<std::string, std::filesystem::path> from;
  std::vector<std::string> files;
  for (const auto& source : sources) {
    files.push_back(source.file.string());
    const auto weights =
        model.published(nn::read_weights(source.file, nn::WeightNamesOptions::from(node)).tensors);
    std::vector<std::string> taken;
    std::map<std::filesystem::path, std::vector<std::string>> others;  // that have another tensor, and which
    for (const auto& [name, tensor] : weights) {
      if (!state.contains(name) || (!source.only.empty() && !config::any_matches(source.only, name)))
        continue;
      taken.push_back(name);
      const auto [place, is_new] = whole.emplace(name, tensor);
      if (is_new) {
        from[name] = source.file;
      } else if (!are_same(place->second, tensor)) {
        others[from.at(name)].push_back(name);
      }
    }
    source.check_patterns(taken, model);
    check_description(source, taken, config);
    if (!others.empty()) throw disagreement(others.begin()->first, source.file, others.begin()->second);
  }
  nn::load_state(model, whole, fmt::format("{}", fmt::join(files, " and ")));
  training.has_initial_weights = true;
}

}  // namespace rcnn::train
