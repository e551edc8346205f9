#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/log.h>
#include <rcnn/nn/weights/initial_weights.h>
#include <rcnn/nn/weights/weight_names.h>
#include <rcnn/train/training.h>

namespace rcnn::train {

Training Training::from(const config::Config& config, const at::Device& device,
                        std::shared_ptr<const data::Dataset> dataset) {
  const auto root = config.root();
  auto data = data::DataOptions::from(root.child("data"));
  auto options = TrainOptions::from(root.child("train"));
  const auto model_node = root.child("model");
  root.has("eval");
  root.finish();
  if (!dataset) dataset = data::open(data, data.train);
  torch::manual_seed(options.seed);
  auto model = nn::make_model(model_node, static_cast<int64_t>(dataset->categories().size()));
  nn::DescribedModel described{std::move(model), dataset->categories(), config};
  return {.data = std::move(data),
          .options = std::move(options),
          .dataset = std::move(dataset),
          .described = std::move(described),
          .device = device};
}

void Training::load_initial_weights() {
  if (std::exchange(has_initial_weights, true)) return;
  const auto node = described.config.root().child("model");
  std::string name;
  node.read("weights", name);
  if (name.empty()) return;
  const auto file = config::data_path(name);
  if (std::error_code unclear; !std::filesystem::exists(file, unclear) && !unclear) {
    throw WeightsError(
        fmt::format("{}: No such file; data/README.md says under \"Weights\" where model.weights come from",
                    file.string()));
  }
  const auto weights = nn::read_weights(file, nn::WeightNamesOptions::from(node));
  if (!weights.summary.empty()) log::info(fmt::format("{}: {}", file.string(), weights.summary));
  auto report = nn::load_initial(*described.model, weights.tensors, file.string());
  const auto doubts = nn::doubts_about(report);
  report.unused.insert(report.unused.end(), weights.left_out.begin(), weights.left_out.end());
  log::info(fmt::format("initial weights {}: {} tensors; start fresh: {}; unused: {}", file.string(),
                        report.loaded.size(), report.fresh.empty() ? "none" : nn::summarize(report.fresh),
                        report.unused.empty() ? "none" : nn::summarize(report.unused)));
  if (!doubts.empty()) log::warn(fmt::format("initial weights {}: {}", file.string(), doubts));
}

}  // namespace rcnn::train
