#include "initial_model.h"

#include <filesystem>
#include <string>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/log.h>
#include <rcnn/nn/weight_names.h>

namespace rcnn::tools {
namespace {

void load_initial_weights(torch::nn::Module& model, const config::Node& config,
                          const std::filesystem::path& file) {
  const auto weights = nn::read_weights(file, nn::WeightNamesOptions::from(config));
  auto report = nn::load_initial(model, weights.tensors, file.string());
  report.unused.insert(report.unused.end(), weights.left_out.begin(), weights.left_out.end());
  log::info(fmt::format("initial weights {}: {} tensors; start fresh: {}; unused: {}", file.string(),
                        report.loaded.size(), report.fresh.empty() ? "none" : nn::summarize(report.fresh),
                        report.unused.empty() ? "none" : nn::summarize(report.unused)));
}

}  // namespace

std::shared_ptr<nn::DetectionModelImpl> initial_model(const config::Node& config, int64_t num_classes,
                                                      uint64_t seed) {
  torch::manual_seed(seed);
  auto model = nn::make_detection_model(config, num_classes);
  std::string weights;
  config.read("weights", weights);
  if (!weights.empty()) load_initial_weights(*model, config, config::data_path(weights));
  return model;
}

}  // namespace rcnn::tools
