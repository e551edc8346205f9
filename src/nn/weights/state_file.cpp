#include "nn/weights/state_file.h"

#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

namespace rcnn::nn {

void refuse_state(const io::WeightFile& content, const std::filesystem::path& file) {
  const auto& metadata = content.metadata;
  if (!metadata.contains("rcnn_version") || !metadata.contains(kKeyOfStates)) return;
  const auto iteration = metadata.find("iteration");
  const auto weights = file.parent_path() / "last.safetensors";
  std::error_code not_there;
  throw WeightsError(fmt::format(
      "{}: is the state of a training{}, for rcnn train --resume; take the run's weights: {}", file.string(),
      iteration == metadata.end() ? "" : fmt::format(" after iteration {}", iteration->second),
      std::filesystem::is_regular_file(weights, not_there) ? weights.string() : "its last.safetensors"));
}

}  // namespace rcnn::nn
