#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rcnn/io/weight_file.h>

#include "io/pickle/pickle.h"

namespace rcnn::io {

/// Where the weights lie in what a pickle holds.
struct WeightRoot {
  /// A dict on the way to the weights.
  struct Level {
    std::string path;  ///< of the dict: "", "checkpoint"
    const pickle::Dict* dict;
    const pickle::Value* next;  ///< the entry that the way goes through
  };
  std::vector<Level> levels;  ///< from the file's own dict on; none where that holds the weights itself
  std::string path;           ///< "model", "checkpoint.state_dict"
  const pickle::Value* weights;
  bool averaged = false;  ///< whether they are averages
  /// Averaged copies besides.
  struct Copy {
    std::string path;
    const pickle::Value* value;
  };
  std::vector<Copy> averages;
};

/// Applies the rules that weight_file.h states. Throws Refusal.
WeightRoot find_weights(const pickle::Value& root, Averages averages);

/// Whether a key or a part of a name says that averages are meant: "ema", "model_ema", "averaged_model".
bool is_averaged(std::string_view name);

/// Whether a key says that no weights are meant, but what a training keeps beside them: "optimizer",
/// "rng_state", "hyper_parameters".
bool is_beside(std::string_view key);

/// The key of a dict's entry as a part of a path; empty for what is neither text in UTF-8 nor a number.
std::string key_text(const pickle::Value& key);

/// The path of a dict's entry: "checkpoint.state_dict".
std::string below(const std::string& path, const std::string& key);

/// The value under a key; null where there is none.
const pickle::Value* find_key(const pickle::Dict& dict, std::string_view name);

/// Whether this is a tensor or an array with dimensions: what has none is the best accuracy so far, or a
/// step.
bool has_dimensions(const pickle::Value& value);

}  // namespace rcnn::io
