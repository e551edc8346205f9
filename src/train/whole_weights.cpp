#include "train/whole_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
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
#include "train/expected_weights.h"
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

/// What a source gives, and the config that it was trained with, where there is one.
struct Given {
  nn::TensorMap tensors;
  std::optional<config::Config> config = std::nullopt;
};

Given read_given(const WeightSource& source, const config::Node& model) {
  Given given{.tensors = nn::read_weights(source.file, nn::WeightNamesOptions::from(model)).tensors};
  const auto metadata = io::read_weight_file(source.file).metadata;
  if (const auto said = metadata.find("config"); said != metadata.end())
    given.config = config::Config::parse(said->second, source.file.string());
  return given;
}

/// Throws ConfigError where weights mean something else than in the model at hand.
void check_description(const WeightSource& source, const config::Config& given,
                       const std::vector<std::string>& taken, const config::Config& config) {
  using Json = nlohmann::json;
  const auto theirs = Json::parse(given.dump()), ours = Json::parse(config.dump());
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

/// Whether files can share tensors, those included that stages have still to leave.
class Sharing {
 public:
  Sharing(const Training& training, std::span<const Product> products)
      : products_(products), expected_(training) {}

  ExpectedWeights& expected() { return expected_; }

  /// Whether `a` of one file and `b` of another, both called `name`, are equal or may become it.
  bool may_be(const std::string& name, const std::filesystem::path& of_a, const at::Tensor& a,
              const std::filesystem::path& of_b, const at::Tensor& b) {
    const auto* const later_a = missing_product(products_, of_a);
    const auto* const later_b = missing_product(products_, of_b);
    if (!later_a && !later_b) return are_same(a, b);
    if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
    const auto one = later_a ? expected_.trained_in(*later_a, name) : "";
    const auto other = later_b ? expected_.trained_in(*later_b, name) : "";
    return one.empty() || other.empty() || one == other;
  }

 private:
  std::span<const Product> products_;
  ExpectedWeights expected_;
};

}  // namespace

void load_whole_weights(Training& training, std::span<const Product> products) {
  auto& model = *training.described.model;
  const auto& config = training.described.config;
  const auto node = config.root().child("model");
  const auto sources = weight_sources(node);
  if (sources.empty())
    throw node.error("weights", "is missing: the files that the model's weights come from");
  const auto state = nn::state_of(model);
  Sharing sharing(training, products);
  nn::TensorMap whole;
  std::map<std::string, const WeightSource*> from;
  std::vector<std::string> files;
  for (const auto& source : sources) {
    files.push_back(source.file.string());
    const auto* const missing = missing_product(products, source.file);
    const auto* const later = missing ? sharing.expected().of(*missing) : nullptr;
    if (missing && !later) return;
    const auto given = missing ? Given{*later, missing->maker->config} : read_given(source, node);
    nn::TensorMap own;
    std::map<std::filesystem::path, std::vector<std::string>> others;  // that have another tensor, and which
    for (const auto& [name, tensor] : model.published(given.tensors)) {
      if (!state.contains(name) || (!source.only.empty() && !config::any_matches(source.only, name)))
        continue;
      own.emplace(name, tensor);
      const auto [place, is_new] = whole.emplace(name, tensor);
      if (is_new) {
        from[name] = &source;
      } else if (!sharing.may_be(name, from.at(name)->file, place->second, source.file, tensor)) {
        others[from.at(name)->file].push_back(name);
      }
    }
    std::vector<std::string> taken;
    for (const auto& [name, tensor] : own) taken.push_back(name);
    source.check_patterns(taken, model);
    nn::check_finite(own, source.file.string());
    if (given.config) check_description(source, *given.config, taken, config);
    if (!others.empty()) throw disagreement(others.begin()->first, source.file, others.begin()->second);
  }
  nn::load_state(model, whole, fmt::format("{}", fmt::join(files, " and ")));
  training.has_initial_weights = true;
}

}  // namespace rcnn::train
