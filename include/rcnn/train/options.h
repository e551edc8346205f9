#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/precision.h>
#include <rcnn/train/schedule.h>
#include <rcnn/train/solver.h>

namespace rcnn::train {

/// A config's "train".
struct RCNN_EXPORT TrainOptions {
  int64_t epochs = 12;
  int64_t iterations = 0;  ///< when above 0, the length of the run instead of `epochs`
  int64_t batch_size = 2;
  nn::Precision precision = nn::Precision::fp32;
  ScheduleOptions schedule;
  SolverOptions solver;
  int64_t accumulate = 1;  ///< iterations whose gradients are averaged before each step of the solver
  int64_t base_batch = 0;  ///< when above 0, schedule.lr is meant for so many images a step
  double ema = 0;          ///< when above 0, the decay of averaged weights, see Ema
  std::vector<std::string> freeze = {};  ///< patterns of names (*: anything) of parameters that do not learn
  uint64_t seed = 0;
  int64_t log_period = 20;        ///< iterations between progress reports
  int64_t checkpoint_period = 0;  ///< iterations between calls of on_checkpoint; 0: at the end of every epoch
  int64_t keep_checkpoints = 2;   ///< states of the run that stay in its folder

  /// Keys: epochs, iterations, batch_size, precision, accumulate, base_batch, ema, freeze, seed,
  /// log_period, checkpoint_period, keep_checkpoints and those of ScheduleOptions and SolverOptions. Throws
  /// ConfigError.
  static TrainOptions from(const config::Node& node);

  /// What a step of the solver sees.
  int64_t images_per_step() const { return batch_size * accumulate; }

  /// schedule.lr, with base_batch scaled linearly by the images a step (Goyal et al.).
  double effective_lr() const;
};

}  // namespace rcnn::train
