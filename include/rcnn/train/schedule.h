#pragma once

#include <cstdint>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>

namespace rcnn::train {

/// How the rate falls after the warm-up: by jumps; along half a cosine (Loshchilov and Hutter's SGDR, without
/// restarts); as a power of the share of the run that is left; or by the same factor in every iteration.
enum class Schedule { steps, cosine, polynomial, exponential };

/// How the learning rate goes: a part of a config's "train".
struct RCNN_EXPORT ScheduleOptions {
  double lr = 0.02;
  int64_t warmup_iterations = 0;  ///< the rate grows linearly over so many iterations
  Schedule type = Schedule::steps;
  /// steps: where the rate is multiplied by gamma: iterations, or shares of the whole run when below 1.
  std::vector<double> steps = {};
  double gamma = 0.1;
  double final_lr = 0;  ///< the others: what the rate falls to, as a share of lr; exponential: above 0
  double power = 0.9;   ///< polynomial; 0.9 is DeepLab's

  /// Keys: lr, warmup_iterations, schedule (steps, cosine, polynomial, exponential); with steps: steps,
  /// gamma; with the others: final_lr; with polynomial: power. Throws ConfigError, also for a key of another
  /// schedule.
  void read(const config::Node& node);
};

/// The learning rate of `iteration` (from 0) of a run of `total` iterations: a function of nothing else.
/// All but steps start from lr in the first iteration after the warm-up and would reach final_lr in
/// iteration `total`, so that no iteration is spent at a rate of 0. Exponential with a final_lr above 1,
/// which a config cannot have, grows.
RCNN_EXPORT double learning_rate(const ScheduleOptions& options, int64_t iteration, int64_t total);

}  // namespace rcnn::train
