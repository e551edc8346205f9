#include <algorithm>
#include <tuple>

#include <rcnn/eval/errors/image_scores.h>

#include "eval/input/id_places.h"
#include "eval/require.h"

namespace rcnn::eval {

double ImageScore::f1() const {
  const int64_t all = 2 * right + errors();
  return all == 0 ? 1 : 2 * static_cast<double>(right) / static_cast<double>(all);
}

std::vector<ImageScore> image_scores(std::span<const int64_t> image_ids, std::span<const CocoTruth> truths,
                                     std::span<const CocoDetection> detections, const CocoMatches& matches,
                                     double score_threshold) {
  require(matches.of_detections.size() == detections.size() && matches.of_truths.size() == truths.size(),
          "image_scores: matches of {} detections and {} objects, but there are {} and {}",
          matches.of_detections.size(), matches.of_truths.size(), detections.size(), truths.size());
  std::vector<ImageScore> scores;
  IdPlaces places;
  for (const int64_t id : image_ids) {
    places.add(id);
    scores.push_back({.image_id = id});
  }
  const auto score_of = [&](int64_t image_id) -> ImageScore* {
    const auto place = places.of(image_id);
    return place == IdPlaces::kNone ? nullptr : &scores[place];
  };
  const auto counts = [&](const CocoDetection& detection) { return detection.score >= score_threshold; };

  for (size_t i = 0; i < detections.size(); ++i) {
    const int64_t match = matches.of_detections[i];
    auto* score = score_of(detections[i].image_id);
    if (score == nullptr || match == CocoMatches::kIgnored || !counts(detections[i])) continue;
    ++(match == CocoMatches::kNone ? score->wrong : score->right);
  }
  for (size_t i = 0; i < truths.size(); ++i) {
    const int64_t match = matches.of_truths[i];
    auto* score = score_of(truths[i].image_id);
    if (score == nullptr || match == CocoMatches::kIgnored) continue;
    score->missed += match == CocoMatches::kNone || !counts(detections[static_cast<size_t>(match)]);
  }
  return scores;
}

RankedImages rank_images(std::vector<ImageScore> scores, int64_t count) {
  const auto worse = [](const ImageScore& a, const ImageScore& b) {
    return std::tuple(a.f1(), -a.errors(), a.image_id) < std::tuple(b.f1(), -b.errors(), b.image_id);
  };
  const auto better = [](const ImageScore& a, const ImageScore& b) {
    return std::tuple(-a.f1(), -a.right, a.image_id) < std::tuple(-b.f1(), -b.right, b.image_id);
  };
  RankedImages ranked;
  std::sort(scores.begin(), scores.end(), worse);
  const int64_t half = (std::ssize(scores) + 1) / 2;
  auto rest = scores.begin();
  for (; rest - scores.begin() < std::min(count, half) && rest->errors() > 0; ++rest) {
    ranked.worst.push_back(*rest);
  }
  std::sort(rest, scores.end(), better);
  for (; std::ssize(ranked.best) < count && rest != scores.end() && rest->right > 0; ++rest) {
    ranked.best.push_back(*rest);
  }
  return ranked;
}

}  // namespace rcnn::eval
