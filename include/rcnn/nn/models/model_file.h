#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/export.h>
#include <rcnn/nn/models/model.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// A model with what is needed to use it.
struct DescribedModel {
  std::shared_ptr<ModelImpl> model;
  std::vector<Category> categories;
  config::Config config;  ///< the resolved config it was trained with
};

/// Writes a safetensors file that describes itself: the state under torchvision's names, and as metadata the
/// resolved config, the categories, the pixel statistics and the version. Never leaves half a file. Throws
/// WeightsError for a model that only detects, whose weights are folded into each other.
RCNN_EXPORT void save_model(const std::filesystem::path& file, const DescribedModel& model);

/// What describe_weights made.
struct NewlyDescribed {
  DescribedModel model;
  LoadReport report;  ///< of what depends on the classes, which stays fresh for another number of them
};

/// Builds the model that `config` describes for `categories`, on the CPU, and loads `tensors`, under
/// torchvision's names, into it. Without categories there are as many as ModelImpl::classes_in() says: the
/// config's data.classes if these are as many, otherwise named by their numbers. Throws ConfigError, and
/// WeightsError when the weights do not fit, see load_state(); categories in another number than the weights
/// have leave what depends on them fresh. `origin` names the weights.
RCNN_EXPORT NewlyDescribed describe_weights(const TensorMap& tensors, const config::Config& config,
                                            std::vector<Category> categories, const std::string& origin);

/// Metadata that makes a weight file describe itself.
RCNN_EXPORT std::map<std::string, std::string> description_of(const DescribedModel& model);

/// Builds the model that the file describes and loads its weights, on the CPU. `overrides` ("key=value", see
/// config::Config) change the description: thresholds, say. The state of a training is no such file. Throws
/// WeightsError when the file does not describe itself, was cut off, or does not fit its own description,
/// ConfigError when an override is wrong.
RCNN_EXPORT DescribedModel load_model(const std::filesystem::path& file,
                                      std::span<const std::string> overrides = {});

/// The same with the overrides that follow from the description.
RCNN_EXPORT DescribedModel
load_model(const std::filesystem::path& file,
           const std::function<std::vector<std::string>(const config::Config&)>& overrides_for);

}  // namespace rcnn::nn
