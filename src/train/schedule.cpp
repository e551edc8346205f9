#include <cmath>

#include <rcnn/train/schedule.h>

namespace rcnn::train {

double learning_rate(const ScheduleOptions& options, int64_t iteration, int64_t total) {
  double rate = options.lr;
  if (iteration < options.warmup_iterations) {
    rate *= static_cast<double>(iteration + 1) / static_cast<double>(options.warmup_iterations);
  }
  for (const double step : options.steps) {
    // 0.07 of 100 is a little above 7 in binary.
    const double start = step < 1 ? std::round(step * static_cast<double>(total)) : step;
    if (static_cast<double>(iteration) >= start) rate *= options.gamma;
  }
  return rate;
}

}  // namespace rcnn::train
