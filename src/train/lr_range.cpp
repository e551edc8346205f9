#include <algorithm>
#include <cmath>
#include <numeric>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/train/lr_range.h>

#include "median.h"

namespace rcnn::train {
namespace {

constexpr double kDiverged = 4;         // times the lowest mean
constexpr double kMeanShare = 0.1;      // of the run: what the exponential mean reaches over
constexpr double kCeiling = 2;          // times the largest loss of the first half
constexpr size_t kFewest = 10;          // points to judge by
constexpr double kClearOfNoise = 10;    // standard deviations of the smoothed loss
constexpr double kClearOfLoss = 0.01;   // of the loss itself
constexpr double kSigmaOfMad = 1.4826;  // a normal distribution's median absolute deviation

/// Says when a loss has diverged.
class Divergence {
 public:
  explicit Divergence(int64_t iterations)
      : iterations_(iterations),
        keep_(std::max(0.0, 1 - 1 / (kMeanShare * static_cast<double>(iterations)))) {}

  bool operator()(double loss) {
    ++count_;
    sum_ = keep_ * sum_ + (1 - keep_) * loss;
    const double mean = sum_ / (1 - std::pow(keep_, count_));
    // The first few means are of too few losses to be measured by.
    if (static_cast<double>(count_) < kMeanShare * static_cast<double>(iterations_)) return false;
    lowest_ = std::min(lowest_, mean);
    return mean > kDiverged * lowest_;
  }

 private:
  const int64_t iterations_;
  const double keep_;
  int64_t count_ = 0;
  double sum_ = 0, lowest_ = INFINITY;
};

struct Line {
  double value, slope;  // at the point in the middle
};

/// The line of least squares through the points within `reach` of point `middle`.
Line fit(std::span<const double> x, std::span<const double> y, size_t middle, size_t reach) {
  const size_t begin = middle - std::min(middle, reach), end = std::min(x.size(), middle + reach + 1);
  const auto count = static_cast<double>(end - begin);
  const auto mean = [&](std::span<const double> values) {
    return std::accumulate(values.begin() + begin, values.begin() + end, 0.0) / count;
  };
  const double x_mean = mean(x), y_mean = mean(y);
  double xx = 0, xy = 0;
  for (size_t i = begin; i < end; ++i) {
    xx += (x[i] - x_mean) * (x[i] - x_mean);
    xy += (x[i] - x_mean) * (y[i] - y_mean);
  }
  return {y_mean + xy / xx * (x[middle] - x_mean), xy / xx};
}

}  // namespace

TrainOptions lr_range_options(TrainOptions options, const LrRangeOptions& range) {
  TORCH_CHECK(range.from > 0 && range.from < range.to && range.iterations > 0,
              "lr_range_options: expected 0 < from < to and iterations > 0, got ", range.from, ", ", range.to,
              " and ", range.iterations);
  options.schedule = {.lr = range.from, .type = Schedule::exponential, .final_lr = range.to / range.from};
  options.iterations = range.iterations;
  options.base_batch = 0;
  options.ema = 0;
  options.log_period = 1;
  return options;
}

std::vector<LrPoint> run_lr_range(Trainer& trainer, const std::function<void(const Progress&)>& on_progress,
                                  const std::function<bool()>& interrupted) {
  std::vector<LrPoint> points;
  std::optional<Divergence> diverges;
  bool diverged = false;
  const auto collect = [&](const Progress& progress) {
    if (!diverges) diverges.emplace(progress.iterations);
    points.push_back({progress.lr, progress.loss});
    diverged = (*diverges)(progress.loss);
    if (on_progress) on_progress(progress);
  };
  try {
    trainer.fit({.on_progress = collect,
                 .stop = [&](int64_t) { return diverged || (interrupted && interrupted()); }});
  } catch (const NonFiniteError&) {
    // How a test that goes far enough ends.
  }
  return points;
}

LrSuggestion suggest_lr(std::span<const LrPoint> points) {
  LrSuggestion result;
  const size_t count = points.size();
  for (size_t i = 0; i < (count + 1) / 2; ++i)
    result.ceiling = std::max(result.ceiling, kCeiling * points[i].loss);
  if (count < kFewest) {
    for (const auto& point : points) result.smoothed.push_back(point.loss);
    result.remark = fmt::format(
        "{} points are too few to judge by: begin at a lower rate, or take more iterations", count);
    return result;
  }
  std::vector<double> rates, losses, slopes, noise;
  for (const auto& point : points) {
    rates.push_back(std::log(point.lr));
    losses.push_back(std::min(point.loss, result.ceiling));
  }
  const size_t reach = std::max<size_t>(2, count / 10);
  for (size_t i = 0; i < count; ++i) {
    const auto line = fit(rates, losses, i, reach);
    result.smoothed.push_back(line.value);
    slopes.push_back(line.slope);
    noise.push_back(std::abs(losses[i] - line.value));
  }
  const double deviation = kSigmaOfMad * median(noise) / std::sqrt(static_cast<double>(2 * reach + 1));

  // Lines at the ends have points on one side alone, and wave about.
  const auto begin = result.smoothed.begin() + static_cast<int64_t>(reach);
  const auto end = result.smoothed.end() - static_cast<int64_t>(reach);
  const auto lowest = std::min_element(begin, end);
  const double fall = *std::max_element(begin, lowest + 1) - *lowest;
  if (fall <= kClearOfNoise * deviation || fall <= kClearOfLoss * std::abs(*lowest)) {
    const bool rises = *std::max_element(lowest, end) - *lowest > std::abs(*lowest);
    result.remark =
        rises ? "the loss rises without a clear fall before: begin at a lower rate"
              : "the loss does not fall clearly at any rate: go to a higher one, or take more iterations";
    return result;
  }
  const auto at = [&](auto place) { return static_cast<size_t>(place - result.smoothed.begin()); };
  const auto steepest = std::min_element(slopes.begin() + static_cast<int64_t>(reach),
                                         slopes.begin() + static_cast<int64_t>(at(lowest)) + 1);
  result.steepest = points[static_cast<size_t>(steepest - slopes.begin())].lr;
  result.lowest = points[at(lowest)].lr;
  if (lowest + 1 == end)
    result.remark = "the loss was still falling at the end: a higher rate may do as well";
  return result;
}

}  // namespace rcnn::train
