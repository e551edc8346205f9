#include "train/weight_sources.h"

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/weights/weights.h>

#include "config/name_pattern.h"

namespace rcnn::train {

void WeightSource::check_patterns(const std::vector<std::string>& loaded, const nn::ModelImpl& model) const {
  for (const auto& pattern : only) {
    if (config::matches_any(pattern, loaded)) continue;
    std::vector<std::string> names;
    for (const auto& [name, tensor] : nn::state_of(model)) names.push_back(name);
    const bool known = config::matches_any(pattern, names);
    throw node.error("only", fmt::format("{} gives the model no {}{}", file.string(), pattern,
                                         known ? "" : config::nearest_pattern(pattern, names)));
  }
}

std::vector<WeightSource> weight_sources(const config::Node& model) {
  std::vector<WeightSource> sources;
  if (model.is_list("weights")) {
    for (const auto& node : model.list("weights")) {
      sources.push_back({.file = config::data_path(node.require("file")), .node = node});
      node.read("only", sources.back().only);
      if (node.has("only") && sources.back().only.empty()) throw node.error("only", "names nothing");
      node.finish();
    }
    return sources;
  }
  std::string name;
  model.read("weights", name);
  if (!name.empty()) sources.push_back({.file = config::data_path(name), .node = model});
  return sources;
}

}  // namespace rcnn::train
