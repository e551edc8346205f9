#include "eval/tally.h"

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

}  // namespace

void Tally::clear() {
  seen_ = 0;
  std::fill(passed_.begin(), passed_.end(), 0);
  for (auto& precision : precision_) precision.clear();
}

void Tally::count(const Outcome& outcome) {
  for_each(outcome.ignored, [&](size_t t) { ++passed_[t]; });
  for_each(outcome.matched & ~outcome.ignored, [&](size_t t) {
    const auto found = static_cast<double>(precision_[t].size() + 1);
    precision_[t].push_back(
        found / (static_cast<double>(seen_ - passed_[t]) + std::numeric_limits<double>::epsilon()));
  });
}

const std::vector<double>& Tally::envelope(size_t t) {
  auto& precision = precision_[t];
  for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  return precision;
}

}  // namespace rcnn::eval
