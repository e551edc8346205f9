#include <algorithm>
#include <cmath>

#include <rcnn/eval/errors/score_histogram.h>

#include "eval/require.h"

namespace rcnn::eval {

ScoreHistogram score_histogram(std::span<const CocoDetection> detections, const CocoMatches& matches,
                               int64_t bins) {
  require(bins > 0, "score_histogram: {} bins", bins);
  require(matches.of_detections.size() == detections.size(),
          "score_histogram: {} detections but matches of {}", detections.size(),
          matches.of_detections.size());
  ScoreHistogram histogram{.right = std::vector<int64_t>(static_cast<size_t>(bins)),
                           .wrong = std::vector<int64_t>(static_cast<size_t>(bins))};
  for (const auto& detection : detections) {
    require(std::isfinite(detection.score), "the score of a detection on image {} is not finite",
            detection.image_id);
    histogram.low = std::min(histogram.low, detection.score);
    histogram.high = std::max(histogram.high, detection.score);
  }
  for (size_t i = 0; i < detections.size(); ++i) {
    const int64_t match = matches.of_detections[i];
    if (match == CocoMatches::kIgnored) continue;
    const double place = (detections[i].score - histogram.low) / histogram.width();
    const auto bin = static_cast<size_t>(std::min(std::floor(place), static_cast<double>(bins - 1)));
    ++(match == CocoMatches::kNone ? histogram.wrong : histogram.right)[bin];
  }
  return histogram;
}

}  // namespace rcnn::eval
