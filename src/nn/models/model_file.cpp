#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/io/weight_file.h>
#include <rcnn/nn/models/inference.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/version.h>

#include "nn/weights/recognised_names.h"
#include "nn/weights/state_file.h"

namespace rcnn::nn {
namespace {

using Json = nlohmann::ordered_json;

std::string to_json(const std::vector<Category>& categories) {
  auto list = Json::array();
  for (const auto& category : categories) list.push_back({{"id", category.id}, {"name", category.name}});
  return list.dump();
}

std::vector<Category> to_categories(const std::string& text) {
  std::vector<Category> categories;
  for (const auto& entry : Json::parse(text)) {
    categories.push_back({entry.at("id").get<int64_t>(), entry.at("name").get<std::string>()});
  }
  return categories;
}

/// The config's data.classes, numbered from 1.
std::vector<Category> configured_categories(const config::Config& config) {
  std::vector<std::string> names;
  config.root().child("data").read("classes", names);
  std::vector<Category> categories;
  for (const auto& name : names) categories.push_back({.id = std::ssize(categories) + 1, .name = name});
  return categories;
}

std::vector<Category> numbered_categories(int64_t count) {
  std::vector<Category> categories;
  for (int64_t id = 1; id <= count; ++id) categories.push_back({.id = id, .name = fmt::format("{}", id)});
  return categories;
}

/// What a file says of its model, as text.
struct Description {
  std::string config, categories;
};

Description description_in(const io::WeightFile& content, const std::filesystem::path& file) {
  refuse_state(content, file);
  const auto config = content.metadata.find("config"), categories = content.metadata.find("categories");
  if (config == content.metadata.end() || categories == content.metadata.end()) {
    throw WeightsError(fmt::format(
        "{}: has weights but no description of the model (config, categories); give a file that rcnn "
        "train wrote, or describe it: rcnn weights convert {} OUT.safetensors --config CONFIG",
        file.string(), file.string()));
  }
  return {.config = config->second, .categories = categories->second};
}

}  // namespace

std::map<std::string, std::string> description_of(const DescribedModel& model) {
  const auto& pixels = model.model->pixels();
  return {{"format", "pt"},
          {"rcnn_version", version()},
          {"config", model.config.dump()},
          {"categories", to_json(model.categories)},
          {"pixel_mean", Json(pixels.mean).dump()},
          {"pixel_std", Json(pixels.std).dump()}};
}

void save_model(const std::filesystem::path& file, const DescribedModel& model) {
  if (only_detects(*model.model)) {
    throw WeightsError(fmt::format(
        "{}: not written: the model was prepared for inference, which folds its weights away; save it before",
        file.string()));
  }
  io::write_safetensors(
      file, {.tensors = model.model->published(state_of(*model.model)), .metadata = description_of(model)});
}

NewlyDescribed describe_weights(const TensorMap& tensors, const config::Config& config,
                                std::vector<Category> categories, const std::string& origin) {
  const auto make = [&] { return make_model(config.root().child("model"), std::ssize(categories)); };
  const bool weights_decide = categories.empty();
  if (weights_decide) categories = configured_categories(config);
  auto model = make();
  if (const auto count = model->classes_in(tensors);
      weights_decide && count > 0 && count != std::ssize(categories)) {
    categories = numbered_categories(count);
    model = make();
  }
  auto report = load_state(*model, model->published(tensors), origin, Classes::any);
  return {{std::move(model), std::move(categories), config}, std::move(report)};
}

DescribedModel load_model(const std::filesystem::path& file, std::span<const std::string> overrides) {
  return load_model(file, [&](const config::Config&) {
    return std::vector<std::string>(overrides.begin(), overrides.end());
  });
}

DescribedModel load_model(
    const std::filesystem::path& file,
    const std::function<std::vector<std::string>(const config::Config&)>& overrides_for) {
  const auto content = io::read_weight_file(file);
  const auto description = description_in(content, file);
  std::vector<Category> categories;
  try {
    categories = to_categories(description.categories);
  } catch (const nlohmann::json::exception& error) {
    throw WeightsError(fmt::format("{}: its list of categories is broken: {}", file.string(), error.what()));
  }
  const auto parsed = [&](std::span<const std::string> overrides) {
    return config::Config::parse(description.config, file.string(), overrides);
  };
  auto config = parsed(overrides_for(parsed({})));
  auto model = make_model(config.root().child("model"), static_cast<int64_t>(categories.size()));
  load_state(*model, model->published(recognise_own_names(content.tensors).tensors), file.string());
  return {std::move(model), std::move(categories), std::move(config)};
}

}  // namespace rcnn::nn
