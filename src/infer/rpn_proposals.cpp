#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/loading/read_ahead.h>
#include <rcnn/error.h>
#include <rcnn/infer/rpn_proposals.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/fast_rcnn.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/rpn/rpn.h>

#include "io/files/checksum.h"
#include "io/files/mapped_file.h"

namespace rcnn {
namespace {

/// Whether one of the words key=value sets the key.
bool sets(const std::vector<std::string>& overrides, const std::string& key) {
  return std::ranges::any_of(overrides, [&](const auto& word) { return word.starts_with(key + "="); });
}

/// What is changed in the config of weights, so that its RPN makes so many; nothing more for a model without
/// one.
std::vector<std::string> with_limits(std::vector<std::string> overrides, const config::Config& config,
                                     int64_t limit) {
  constexpr const char *kMost = "model.rpn.test.post_nms", *kChosenFrom = "model.rpn.test.pre_nms";
  if (sets(overrides, kMost)) throw ConfigError(fmt::format("{}: --limit says how many there are", kMost));
  const auto model = config.root().child("model");
  if (model.require("type") == nn::kFastRcnnModel) return overrides;
  const auto node = model.child("rpn").child("test");
  auto made = nn::RpnOptions().test;
  node.read("pre_nms", made.pre_nms);
  node.read("post_nms", made.post_nms);
  if (limit > made.post_nms && !sets(overrides, kChosenFrom)) {
    constexpr int64_t kChoice = 6;
    overrides.push_back(fmt::format("{}={}", kChosenFrom, std::max(made.pre_nms, kChoice * limit)));
  }
  overrides.push_back(fmt::format("{}={}", kMost, limit));
  return overrides;
}

data::MadeProposals to_made(int64_t index, const Detections& found) {
  data::MadeProposals made{.index = index};
  for (const auto& [box, score, label] : to_list(found)) {
    made.boxes.push_back(box);
    made.scores.push_back(score);
  }
  return made;
}

data::MadeProposals propose(const TensorDetector& detector, const data::Dataset& dataset, int64_t index,
                            data::ReadAhead<at::Tensor>& images) {
  try {
    return to_made(index, detector.proposals(*images.next()));
  } catch (const DataError& error) {
    return {.index = index, .error = error.what()};
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw MemoryError(
        fmt::format("memory ran out on {}: lower data.min_size and data.max_size of the weights",
                    dataset.record(index).image.string()));
  }
}

}  // namespace

data::ProposalMethod rpn_method(std::shared_ptr<const TensorDetector> detector, int64_t workers,
                                std::vector<std::pair<std::string, std::string>> description) {
  return {.description = std::move(description),
          .make = [detector = std::move(detector), workers](const data::Dataset& dataset,
                                                            const std::vector<int64_t>& indices,
                                                            const auto& take, const auto& stop) {
            data::ReadAhead<at::Tensor> images(workers, std::max<int64_t>(workers, 1));
            images.start(0, std::ssize(indices), [&](int64_t i) {
              return data::checked_image(dataset, indices[static_cast<size_t>(i)]);
            });
            for (const int64_t index : indices) {
              if (stop() || !take(propose(*detector, dataset, index, images))) return;
            }
          }};
}

data::ProposalMethod rpn_method(const std::filesystem::path& weights, const RpnProposalsOptions& options) {
  auto described = nn::load_model(weights, [&](const config::Config& config) {
    return with_limits(options.overrides, config, options.limit);
  });
  const auto root = described.config.root();
  if (nn::as_detection_model(described.model, root.child("model"))->needs_proposals()) {
    throw ConfigError(
        fmt::format("{}: makes no proposals, it is given them; name weights with a region proposal "
                    "network",
                    weights.string()));
  }
  io::Checksum checksum;
  checksum.add(io::map_file(weights).view());
  std::vector<std::pair<std::string, std::string>> description = {
      {"method", "rpn"},
      {"limit", std::to_string(options.limit)},
      {"weights", checksum.digits()},
      {"precision", options.detector.precision == nn::Precision::bf16 ? "bf16" : "fp32"}};
  if (!options.overrides.empty())
    description.emplace_back("change of the weights' config",
                             fmt::format("{}", fmt::join(options.overrides, " ")));
  return rpn_method(std::make_shared<const TensorDetector>(std::move(described), options.detector),
                    options.workers, std::move(description));
}

}  // namespace rcnn
