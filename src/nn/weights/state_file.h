#pragma once

#include <filesystem>

#include <rcnn/io/weight_file.h>

namespace rcnn::nn {

/// The key in the metadata of a training's state that no other file of ours has.
inline constexpr const char* kKeyOfStates = "skipped";

/// Throws WeightsError where a file is the state of a training, which holds more than weights, and names the
/// file to take instead.
void refuse_state(const io::WeightFile& content, const std::filesystem::path& file);

}  // namespace rcnn::nn
