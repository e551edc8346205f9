#pragma once

#include <optional>
#include <string>
#include <vector>

#include <rcnn/nn/models/model.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/train/hooks.h>

namespace rcnn::train {

/// Collects what happens between two reports. Losses stay on their device until someone asks.
class Meter {
 public:
  /// Of one iteration, which saw the samples `indices`. Throws c10::Error unless the losses are scalars under
  /// the names of the first ones, in their order.
  void add_losses(int64_t iteration, double lr, std::vector<int64_t> indices,
                  const std::vector<nn::Loss>& losses);
  void add_times(double iteration_seconds, double data_seconds);

  /// An iteration with a loss that is no number or infinite.
  struct NonFinite {
    int64_t iteration;
    double lr;
    std::vector<int64_t> indices;
    std::string losses;  ///< "loss_classifier nan, loss_box_reg 0.3"
  };

  /// The first of those added since the last call, if there is one. Reads the losses back: waits for the
  /// device.
  std::optional<NonFinite> first_non_finite();

  /// Fills in losses and times, and forgets them.
  void report_to(Progress& progress);

  /// Losses since the last report: by name, float32 [iterations], on the CPU.
  nn::TensorMap losses() const;
  void restore(const nn::TensorMap& losses);

 private:
  struct Iteration {
    int64_t number;
    double lr;
    std::vector<int64_t> indices;
  };
  nn::TensorMap restored_;  // until the first losses say in which order the names come
  std::vector<std::string> names_;
  std::vector<at::Tensor> losses_;    // [number of losses] each, on the device
  std::vector<Iteration> unchecked_;  // the last of them
  std::vector<double> iteration_seconds_, data_seconds_;
};

}  // namespace rcnn::train
