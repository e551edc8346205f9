#include <algorithm>
#include <cmath>

#include <c10/util/Exception.h>

#include <rcnn/eval/score_histogram.h>

namespace rcnn::eval {

ScoreHistogram score_histogram(std::span<const CocoDetection> detections, const CocoMatches& matches,
                               int64_t bins) {
  TORCH_CHECK(bins > 0, "score_histogram: ", bins, " bins");
  TORCH_CHECK(matches.of_detections.size() == detections.size(), "score_histogram: ", detections.size(),
              " detections but matches of ", matches.of_detections.size());
  ScoreHistogram histogram{.right = std::vector<int64_t>(static_cast<size_t>(bins)),
                           .wrong = std::vector<int64_t>(static_cast<size_t>(bins))};
  for (const auto& detection : detections) {
    TORCH_CHECK(std::isfinite(detection.score), "the score of a detection on image ", detection.image_id,
                " is not finite");
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
