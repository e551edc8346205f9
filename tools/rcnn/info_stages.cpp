#include "info_stages.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/nn/models/model.h>
#include <rcnn/train/freeze.h>
#include <rcnn/train/training.h>

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;

/// What of a model learns.
struct Learning {
  int64_t parameters = 0, trainable = 0;
  std::vector<std::string> parts = {};  // "backbone", "rpn": where there is some
};

Learning learning_of(const config::Config& config, int64_t classes) {
  const auto root = config.root();
  const auto model = nn::make_model(root.child("model"), classes);
  train::freeze(*model, train::TrainOptions::from(root.child("train")), root.child("train"));
  Learning learning;
  for (const auto& item : model->named_parameters()) {
    learning.parameters += item.value().numel();
    if (!item.value().requires_grad()) continue;
    learning.trainable += item.value().numel();
    const auto part = item.key().substr(0, item.key().find('.'));
    if (std::ranges::find(learning.parts, part) == learning.parts.end()) learning.parts.push_back(part);
  }
  return learning;
}

/// What a stage begins with: weights, and files of earlier stages.
std::vector<std::string> needs_of(const train::Stage& stage) {
  std::vector<std::string> needs;
  const auto add = [&](const std::string& need) {
    if (std::ranges::find(needs, need) == needs.end()) needs.push_back(need);
  };
  for (const auto& file : train::initial_weights(stage.config.root().child("model"))) {
    if (std::ranges::find(stage.products, file, &train::Product::file) == stage.products.end())
      add(file.string());
  }
  for (const auto& [key, file, maker] : stage.products)
    add(fmt::format("stage:{}/{}", maker->name, file.filename().string()));
  return needs;
}

std::string millions(int64_t count) {
  return fmt::format("{:.2f} M", static_cast<double>(count) / 1e6);
}

Json to_json(const train::Stage& stage, const std::string& type, const Learning& learning) {
  Json json{{"name", stage.name},
            {"folder", stage.folder.filename().string()},
            {"kind", stage.kind},
            {"model", type},
            {"needs", needs_of(stage)}};
  if (learning.parameters == 0) return json;
  json["parameters"] = learning.parameters;
  json["trainable"] = learning.trainable;
  json["learning"] = learning.parts;
  return json;
}

}  // namespace

void print_stages(const train::Chain& chain, bool json,
                  const std::function<int64_t(const config::Config&)>& classes_of) {
  auto list = Json::array();
  std::string text;
  for (const auto& stage : chain.stages()) {
    const auto node = stage.config.root().child("model");
    std::string type;
    node.read("type", type);
    const bool trains = stage.kind == "train";
    const auto learning = trains ? learning_of(stage.config, classes_of(stage.config)) : Learning();
    list.push_back(to_json(stage, type, learning));
    text += fmt::format("{}: {}{}{}\n", stage.folder.filename().string(), stage.kind,
                        type.empty() ? "" : ", model " + type,
                        trains ? fmt::format(", {} of {} parameters learn: {}", millions(learning.trainable),
                                             millions(learning.parameters), fmt::join(learning.parts, ", "))
                               : "");
    const auto needs = needs_of(stage);
    if (!needs.empty()) text += fmt::format("    from {}\n", fmt::join(needs, ", "));
  }
  if (json) {
    std::cout << Json{{"stages", std::move(list)}}.dump(1) << '\n';
  } else {
    std::cout << fmt::format("a chain of {} stages; --stage NAME describes the model of one\n",
                             chain.stages().size())
              << text;
  }
}

const train::Stage& stage_named(const train::Chain& chain, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& stage : chain.stages()) {
    if (stage.name == name) return stage;
    names.push_back(stage.name);
  }
  throw ConfigError(
      fmt::format("--stage {}: the chain has no such stage; it has {}", name, fmt::join(names, ", ")));
}

}  // namespace rcnn::tools
