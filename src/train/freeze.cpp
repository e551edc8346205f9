#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/train/freeze.h>

#include "config/name_pattern.h"

namespace rcnn::train {

void freeze(torch::nn::Module& model, const TrainOptions& options, const config::Node& train) {
  std::vector<std::string> names;
  for (const auto& item : model.named_parameters()) names.push_back(item.key());
  const auto check = [&](std::string_view key, const std::string& pattern) {
    if (config::matches_any(pattern, names)) return;
    throw train.error(key, fmt::format("the model has no parameter {}{}", pattern,
                                       config::nearest_pattern(pattern, names)));
  };
  for (const auto& pattern : options.freeze) check("freeze", pattern);
  for (const auto& [pattern, factors] : options.solver.factors) check("factors", pattern);
  if (options.solver.backbone_lr != 1) check("backbone_lr", SolverOptions::kBackbone);
  if (options.freeze.empty()) return;

  bool learns = false;
  for (auto& item : model.named_parameters()) {
    if (config::any_matches(options.freeze, item.key())) item.value().requires_grad_(false);
  }
  for (const auto& parameter : model.parameters()) learns |= parameter.requires_grad();
  if (!learns) throw train.error("freeze", "leaves nothing that learns");
}

}  // namespace rcnn::train
