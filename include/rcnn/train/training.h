#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/data/options.h>
#include <rcnn/export.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/train/options.h>
#include <rcnn/train/peers.h>

namespace rcnn::train {

/// A model, what it learns from and how: what a config describes, or a program puts together.
struct RCNN_EXPORT Training {
  data::DataOptions data;  ///< of which the transforms and the loader's options count once there is a dataset
  TrainOptions options;
  std::shared_ptr<const data::Dataset> dataset;  ///< its training part
  nn::DescribedModel described;                  ///< the model with fresh weights, a function of the seed
  at::Device device = at::kCPU;
  std::shared_ptr<Peers> peers = alone();
  bool has_initial_weights = false;
  std::vector<std::string> loaded = {};  ///< the parameters that initial weights gave, see ModelImpl

  /// Reads "data", "train" and "model", opens the data, unless there is a `dataset` to take instead, and
  /// builds the model. "eval" is left to others. Throws ConfigError and DataError.
  static Training from(const config::Config& config, const at::Device& device,
                       std::shared_ptr<const data::Dataset> dataset = nullptr);

  /// Loads the weights that the config starts from, if it names any, one file after the other, and logs what
  /// each gave; once, whoever asks again. Throws WeightsError, and ConfigError for a pattern in `only` that
  /// means nothing of what its file gives.
  void load_initial_weights();
};

/// Whether the model finds objects among proposals that come with the data. Throws ConfigError where it does
/// and a training image has none.
RCNN_EXPORT bool check_proposals(const Training& training);

/// The files that a config's "model" has as `weights`: a string, or a list of {file, only}. Throws
/// ConfigError.
RCNN_EXPORT std::vector<std::filesystem::path> initial_weights(const config::Node& model);

/// Throws ConfigError where they are not read, and WeightsError where one is not there, but those of `later`.
RCNN_EXPORT void check_initial_weights(const config::Node& model,
                                       std::span<const std::filesystem::path> later);

}  // namespace rcnn::train
