#include "vis/charts/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <spdlog/fmt/fmt.h>

namespace rcnn::vis {
namespace {

constexpr double kAxisMargin = 0.03;  // free at both ends

/// The smallest of 1, 2 and 5 times a power of ten that is not below `step`.
double round_step(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1, 2, 5}) {
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

}  // namespace

Axis::Axis(const std::vector<double>& values, bool logarithmic) : logarithmic_(logarithmic) {
  if (values.empty()) return;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  low_ = scaled(*low);
  high_ = scaled(*high);
  // So far apart that their difference has digits.
  const double least = 1e-9 * std::max(std::abs(low_), std::abs(high_));
  if (high_ - low_ <= least) {
    const double room = std::max(0.5, 0.05 * std::abs(low_));
    low_ -= room;
    high_ += room;
  }
  const double margin = kAxisMargin * (high_ - low_);
  low_ -= margin;
  high_ += margin;
}

double Axis::scaled(double value) const {
  return logarithmic_ ? std::log10(value) : value;
}

double Axis::place(double value) const {
  return (scaled(value) - low_) / (high_ - low_);
}

double Axis::value(double place) const {
  const double scaled = low_ + place * (high_ - low_);
  return logarithmic_ ? std::pow(10, scaled) : scaled;
}

std::vector<Axis::Tick> Axis::ticks(int count) const {
  return logarithmic_ ? logarithmic_ticks(count) : linear_ticks(count);
}

std::vector<Axis::Tick> Axis::linear_ticks(int count) const {
  const double step = round_step((high_ - low_) / count);
  const double largest = std::max(std::abs(low_), std::abs(high_));
  const int digits =
      std::clamp(static_cast<int>(std::floor(std::log10(largest)) - std::floor(std::log10(step))) + 1, 6, 15);
  std::vector<Tick> ticks;
  const auto last = static_cast<int64_t>(std::floor(high_ / step));
  for (auto i = static_cast<int64_t>(std::ceil(low_ / step)); i <= last; ++i) {
    const double value = static_cast<double>(i) * step;
    ticks.push_back({(value - low_) / (high_ - low_), fmt::format("{:.{}g}", value, digits)});
  }
  return ticks;
}

std::vector<Axis::Tick> Axis::logarithmic_ticks(int count) const {
  const int first = static_cast<int>(std::floor(low_)), last = static_cast<int>(std::floor(high_));
  const double decades = high_ - low_;
  const int every = std::max(1, static_cast<int>(std::ceil(decades / count)));
  std::vector<Tick> ticks;
  for (int power = first; power <= last; ++power) {
    for (int factor = 1; factor < 10; ++factor) {
      const double at = power + std::log10(factor);
      if (at < low_ || at > high_) continue;
      // Few decades have room for 1, 2 and 5, or for all.
      const bool named = factor == 1   ? power % every == 0
                         : decades < 1 ? true
                                       : decades < 2.5 && (factor == 2 || factor == 5);
      if (factor != 1 && every > 1) continue;
      ticks.push_back({(at - low_) / decades,
                       named ? fmt::format("{:.6g}", factor * std::pow(10, power)) : std::string()});
    }
  }
  return ticks;
}

}  // namespace rcnn::vis
