#pragma once

#include <cstdint>
#include <vector>

#include <rcnn/config/node.h>

namespace rcnn::train {

/// How the rate falls after the warm-up: by jumps; along half a cosine (Loshchilov and Hutter's SGDR, without
/// restarts); or as a power of the share of the run that is left.
enum class Schedule { steps, cosine, polynomial };

struct ScheduleOptions {
  double lr = 0.02;
  int64_t warmup_iterations = 0;  ///< the rate grows linearly over so many iterations
  Schedule type = Schedule::steps;
  /// steps: where the rate is multiplied by gamma: iterations, or shares of the whole run when below 1.
  std::vector<double> steps = {};
  double gamma = 0.1;
  double final_lr = 0;  ///< cosine, polynomial: what the rate falls to, as a share of lr
  double power = 0.9;   ///< polynomial; 0.9 is DeepLab's

  /// Keys: lr, warmup_iterations, schedule (steps, cosine, polynomial); with steps: steps, gamma; with the
  /// others: final_lr; with polynomial: power. Throws ConfigError, also for a key of another schedule.
  void read(const config::Node& node);
};

/// The learning rate of `iteration` (from 0) of a run of `total` iterations: a function of nothing else.
/// Cosine and polynomial start from lr in the first iteration after the warm-up and would reach final_lr in
/// iteration `total`, so that no iteration is spent at a rate of 0.
double learning_rate(const ScheduleOptions& options, int64_t iteration, int64_t total);

}  // namespace rcnn::train
