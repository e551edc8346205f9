#include <rcnn/train/options.h>

namespace rcnn::train {

TrainOptions TrainOptions::from(const config::Node& node) {
  TrainOptions options;
  int64_t seed = 0;
  node.read("epochs", options.epochs, {.min = 1});
  node.read("iterations", options.iterations, {.min = 0});
  node.read("batch_size", options.batch_size, {.min = 1});
  node.read("precision", options.precision, {{"fp32", nn::Precision::fp32}, {"bf16", nn::Precision::bf16}});
  options.schedule.read(node);
  options.solver.read(node);
  node.read("accumulate", options.accumulate, {.min = 1});
  node.read("base_batch", options.base_batch, {.min = 0});
  node.read("ema", options.ema, {.min = 0});
  if (options.ema >= 1) throw node.error("ema", "must be below 1");
  node.read("freeze", options.freeze);
  node.read("seed", seed, {.min = 0});
  node.read("log_period", options.log_period, {.min = 1});
  node.read("checkpoint_period", options.checkpoint_period, {.min = 0});
  node.read("keep_checkpoints", options.keep_checkpoints, {.min = 1});
  node.finish();
  options.seed = static_cast<uint64_t>(seed);
  return options;
}

double TrainOptions::effective_lr() const {
  if (base_batch == 0) return schedule.lr;
  return schedule.lr * static_cast<double>(images_per_step()) / static_cast<double>(base_batch);
}

}  // namespace rcnn::train
