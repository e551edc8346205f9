#include <cmath>
#include <numbers>

#include <rcnn/train/schedule.h>

namespace rcnn::train {
namespace {

double after_steps(const ScheduleOptions& options, int64_t iteration, int64_t total, double rate) {
  for (const double step : options.steps) {
    // 0.07 of 100 is a little above 7 in binary.
    const double start = step < 1 ? std::round(step * static_cast<double>(total)) : step;
    if (static_cast<double>(iteration) >= start) rate *= options.gamma;
  }
  return rate;
}

/// From 0 at the end of the warm-up to 1 at the end of the run.
double share_done(const ScheduleOptions& options, int64_t iteration, int64_t total) {
  if (iteration <= options.warmup_iterations) return 0;
  return static_cast<double>(iteration - options.warmup_iterations) /
         static_cast<double>(total - options.warmup_iterations);
}

/// From 1 to final_lr.
double fall(const ScheduleOptions& options, double done) {
  if (options.type == Schedule::exponential) return std::pow(options.final_lr, done);
  const double height = options.type == Schedule::polynomial ? std::pow(1 - done, options.power)
                                                             : (1 + std::cos(std::numbers::pi * done)) / 2;
  return options.final_lr + (1 - options.final_lr) * height;
}

}  // namespace

void ScheduleOptions::read(const config::Node& node) {
  node.read("lr", lr, {.min = 0});
  node.read("warmup_iterations", warmup_iterations, {.min = 0});
  node.read("schedule", type,
            {{"steps", Schedule::steps},
             {"cosine", Schedule::cosine},
             {"polynomial", Schedule::polynomial},
             {"exponential", Schedule::exponential}});
  node.read("steps", steps, {.min = 0});
  node.read("gamma", gamma, {.min = 0, .max = 1});
  node.read("final_lr", final_lr, {.min = 0, .max = 1});
  node.read("power", power, {.min = 0});
  if (type == Schedule::steps) {
    node.refuse({"final_lr", "power"}, "schedule steps");
  } else {
    node.refuse({"steps", "gamma"}, "schedule cosine, polynomial or exponential");
  }
  if (type == Schedule::cosine || type == Schedule::exponential) {
    node.refuse({"power"}, "schedule cosine or exponential");
  }
  if (type == Schedule::exponential && final_lr == 0) {
    throw node.error("final_lr", "must be above 0 with schedule exponential");
  }
}

double learning_rate(const ScheduleOptions& options, int64_t iteration, int64_t total) {
  double rate = options.lr;
  if (iteration < options.warmup_iterations) {
    rate *= static_cast<double>(iteration + 1) / static_cast<double>(options.warmup_iterations);
  }
  if (options.type == Schedule::steps) return after_steps(options, iteration, total, rate);
  return rate * fall(options, share_done(options, iteration, total));
}

}  // namespace rcnn::train
