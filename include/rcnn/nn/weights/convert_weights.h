#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/export.h>
#include <rcnn/nn/weights/weight_names.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// What becomes of weights on the way.
struct ConvertOptions {
  /// The detector that the weights belong to. They are loaded into it, so that all must fit, and a
  /// safetensors file describes itself afterwards.
  std::optional<config::Config> config = std::nullopt;
  std::vector<Category> categories = {};  ///< with a config; empty: see describe_weights()
  /// Of the result; none: detectron2's in a .pkl file, torchvision's elsewhere.
  std::optional<WeightNames> names = std::nullopt;
  std::optional<at::ScalarType> type = std::nullopt;  ///< of the floating-point tensors; none: as they are
  /// Without what only a training needs, see ModelImpl::only_trains(): of a file that describes itself, or
  /// with a config.
  bool inference_only = false;
  ReadOptions read = {};  ///< what of the file is taken
};

/// What a conversion did besides.
struct Conversion {
  WeightNames source = WeightNames::torchvision, target = WeightNames::torchvision;
  int64_t tensors = 0;                     ///< that were written
  std::vector<std::string> left_out = {};  ///< names of the source that the result has no place for
  std::vector<std::string> fresh = {};     ///< last layers that stay fresh, the classes being others
  bool described = false;                  ///< whether the result describes itself
  std::string summary = {};                ///< what was recognised in the source, see RecognisedWeights
};

/// Reads weights of any kind, as recognise_weights() does, and writes them as what `to` ends in:
/// .safetensors, .pth or .pt (a dict for torch.load), .pkl (detectron2's arrays). Metadata goes from
/// safetensors to safetensors while the names stay torchvision's. Throws ConfigError for another ending, and
/// for inference_only where nothing says what model the weights belong to, WeightsError when weights are
/// refused, do not fit, have no name in the convention that is asked for or are beyond the range of the type,
/// DataError when the disk refuses.
RCNN_EXPORT Conversion convert_weights(const std::filesystem::path& from, const std::filesystem::path& to,
                                       const ConvertOptions& options = {});

}  // namespace rcnn::nn
