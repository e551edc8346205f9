#pragma once

#include <cstdint>
#include <vector>

namespace rcnn::train {

struct ScheduleOptions {
  double lr = 0.02;
  int64_t warmup_iterations = 0;  ///< the rate grows linearly over so many iterations
  /// Where the rate is multiplied by gamma: iterations, or shares of the whole run when below 1.
  std::vector<double> steps = {};
  double gamma = 0.1;
};

/// The learning rate of `iteration` (from 0) of a run of `total` iterations: a function of nothing else.
double learning_rate(const ScheduleOptions& options, int64_t iteration, int64_t total);

}  // namespace rcnn::train
