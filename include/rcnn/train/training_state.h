#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <rcnn/data/loading/loader.h>
#include <rcnn/export.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::train {

/// All that the next iterations of a training depend on, besides its config and its data: with it, a training
/// goes on bit for bit as if it had never stopped. Random choices are functions of (seed, epoch, sample) and
/// (seed, iteration), so no generator has a state.
struct TrainingState {
  int64_t iteration = 0;      ///< iterations done
  int64_t epoch = 0;          ///< epochs done
  int64_t batch = 0;          ///< batches of the next epoch that are behind, those without a good image too
  nn::TensorMap model = {};   ///< parameters and buffers, not averaged
  nn::TensorMap solver = {};  ///< see Solver::state
  nn::TensorMap ema = {};     ///< see Ema::state; empty without
  /// By parameter, where the state lies between two steps of the solver: what is accumulated for the next.
  nn::TensorMap gradients = {};
  nn::TensorMap losses = {};                 ///< by name, float32 [iterations since the last report]
  nn::TensorMap data = {};                   ///< what tells the data set from others; for who saves the state
  std::vector<data::BadImage> skipped = {};  ///< see Trainer::skipped
};

/// Copies on the CPU, under the same names.
RCNN_EXPORT nn::TensorMap copies(const nn::TensorMap& tensors);

/// Writes a safetensors file: all tensors, and the numbers among `metadata`. Throws DataError when the disk
/// refuses, NonFiniteError, having written nothing, when a weight is not finite: a training cannot go on from
/// there.
RCNN_EXPORT void save_state(const std::filesystem::path& file, const TrainingState& state,
                            std::map<std::string, std::string> metadata);

/// What a state file holds.
struct SavedState {
  TrainingState state;  ///< its tensors alias the file
  std::map<std::string, std::string> metadata;
};

/// Reads what save_state wrote. Throws WeightsError for anything else, and for a damaged file.
RCNN_EXPORT SavedState load_state(const std::filesystem::path& file);

}  // namespace rcnn::train
