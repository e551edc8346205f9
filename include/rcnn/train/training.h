#pragma once

#include <memory>

#include <rcnn/config/config.h>
#include <rcnn/data/options.h>
#include <rcnn/export.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/train/trainer.h>

namespace rcnn::train {

/// What a config describes, ready to be trained.
struct RCNN_EXPORT Training {
  data::DataOptions data;
  TrainOptions options;
  std::shared_ptr<const data::Dataset> dataset;  ///< its training part
  nn::DescribedModel described;                  ///< the model with fresh weights, a function of the seed
  at::Device device;
  bool has_initial_weights = false;

  /// Reads "data", "train" and "model", opens the data, unless there is a `dataset` to take instead, and
  /// builds the model. "eval" is left to others. Throws ConfigError and DataError.
  static Training from(const config::Config& config, const at::Device& device,
                       std::shared_ptr<const data::Dataset> dataset = nullptr);

  /// Loads the weights that the config starts from, if it names any, and logs what fits; once, whoever asks
  /// again. Throws WeightsError.
  void load_initial_weights();
};

}  // namespace rcnn::train
