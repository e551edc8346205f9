#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/nn/models/model.h>

namespace rcnn::train {

/// One of the files that a config's "model" has as `weights`.
struct WeightSource {
  std::filesystem::path file;
  std::vector<std::string> only = {};  ///< patterns of what is taken; empty: everything
  config::Node node;

  /// Throws ConfigError for a pattern of `only` that means nothing of what the file gave.
  void check_patterns(const std::vector<std::string>& loaded, const nn::ModelImpl& model) const;
};

/// In their order. Throws ConfigError.
std::vector<WeightSource> weight_sources(const config::Node& model);

}  // namespace rcnn::train
