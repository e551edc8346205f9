#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/train/scoring.h>

namespace rcnn::train {

ScoringOptions ScoringOptions::from(const config::Node& eval) {
  ScoringOptions options;
  eval.read("period", options.period, {.min = 0});
  eval.read("best", options.best);
  eval.read("patience", options.patience, {.min = 0});
  if (options.patience > 0 && options.period == 0) throw eval.error("patience", "needs a period above 0");
  return options;
}

double ScoringOptions::deciding(const Scores& scores) const {
  const auto found =
      best.empty() ? scores.begin() : std::ranges::find(scores, best, &Scores::value_type::first);
  if (found == scores.end()) {
    std::vector<std::string> names;
    for (const auto& [name, value] : scores) names.push_back(name);
    throw ConfigError(
        fmt::format("eval.best: the scores have no {}; they have {}", best, fmt::join(names, ", ")));
  }
  return std::isnan(found->second) ? -std::numeric_limits<double>::infinity() : found->second;
}

}  // namespace rcnn::train
