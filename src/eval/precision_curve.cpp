#include "eval/precision_curve.h"

#include <algorithm>
#include <bit>

namespace rcnn::eval {
namespace {

/// Calls see(t) for each threshold of a set.
template <class See>
void for_each(Thresholds thresholds, See see) {
  for (; thresholds != 0; thresholds &= thresholds - 1)
    see(static_cast<size_t>(std::countr_zero(thresholds)));
}

double share(size_t found, int64_t truths) {
  return static_cast<double>(found) / static_cast<double>(truths);
}

}  // namespace

void PrecisionCurve::clear() {
  seen_ = 0;
  std::fill(passed_.begin(), passed_.end(), 0);
  for (auto& precision : precision_) precision.clear();
}

void PrecisionCurve::count(const Outcome& outcome) {
  for_each(outcome.ignored, [&](size_t t) { ++passed_[t]; });
  for_each(outcome.matched & ~outcome.ignored, [&](size_t t) {
    const auto found = static_cast<double>(precision_[t].size() + 1);
    precision_[t].push_back(found / (static_cast<double>(counted(t)) + epsilon_));
  });
}

const std::vector<double>& PrecisionCurve::envelope(size_t t) {
  auto& precision = precision_[t];
  for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  return precision;
}

std::vector<size_t> needed_for(std::span<const double> levels, int64_t truths) {
  std::vector<size_t> needed;
  size_t found = 1;
  for (const double level : levels) {
    while (share(found, truths) < level) ++found;
    needed.push_back(found);
  }
  return needed;
}

double area_under(const std::vector<double>& envelope, int64_t truths) {
  double sum = 0;
  for (size_t i = envelope.size(); i-- > 0;) sum += envelope[i] * (share(i + 1, truths) - share(i, truths));
  return sum;
}

}  // namespace rcnn::eval
