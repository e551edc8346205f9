#include <algorithm>
#include <optional>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/errors/error_breakdown.h>

#include "eval/coco/coco_images.h"
#include "eval/coco/coco_iou.h"
#include "eval/matching.h"
#include "eval/precision_curve.h"
#include "eval/require.h"

namespace rcnn::eval {
namespace {

enum class Error { localisation, classification, duplicate, background, both, missed };

constexpr std::array<std::string_view, 6> kNames = {"localisation", "classification", "duplicate",
                                                    "background",   "both",           "missed"};

/// A detection that counts.
struct Point {
  double score = 0;
  size_t category = 0;
  std::optional<Error> error = {};    ///< none for a true positive
  std::optional<size_t> mended = {};  ///< the category of the object that it finds when its error is mended
};

/// Of one category.
struct Scored {
  double score = 0;
  bool correct = false;
};

/// All images' points, and the counts of objects.
struct Points {
  explicit Points(size_t categories) : truths(categories), missed(categories) {}
  std::vector<Point> points = {};
  std::vector<int64_t> truths, missed;  ///< by category
};

/// The detections of images against their objects, one image after the other.
class ImageSorter {
 public:
  ImageSorter(const ErrorBreakdownOptions& options, Points& all)
      : options_(options), all_(all), matching_({options.foreground_iou}) {}

  void add(const CocoImage& image) {
    const auto limit = std::min(image.detections.size(), static_cast<size_t>(options_.max_detections));
    const auto detections = std::span(image.detections).first(limit);
    truths_ = image.truths;
    claimed_.assign(truths_.size(), false);
    matching_.clear();
    for (size_t i = 0; i < truths_.size(); ++i) matching_.add();
    std::vector<bool> found;
    for (const auto& detection : detections) {
      matching_.clear_offers();
      offer_own(matching_, detection, image.truths);
      found.push_back(matching_.take().has_value());
    }
    for (size_t d = 0; d < detections.size(); ++d) {
      const auto& detection = detections[d];
      if (!found[d] && image.in_crowd(detection, options_.foreground_iou)) continue;
      Point point{.score = detection.item->score, .category = detection.category};
      if (!found[d]) explain(detection, point);
      all_.points.push_back(point);
    }
    for (size_t i = 0; i < truths_.size(); ++i) {
      ++all_.truths[truths_[i].category];
      all_.missed[truths_[i].category] += matching_.is_free(i) && !claimed_[i];
    }
  }

 private:
  /// An object and its IoU with a detection.
  struct Best {
    size_t truth = 0;
    double iou = 0;
  };

  /// The object of the highest IoU among those of the detection's category, or of others; IoU 0 when there is
  /// none.
  Best best(const Placed<CocoDetection>& detection, bool own_category) const {
    Best best;
    for (size_t i = 0; i < truths_.size(); ++i) {
      if ((truths_[i].category == detection.category) != own_category) continue;
      const double iou = coco_iou(detection.item->box, truths_[i].item->box);
      if (iou > best.iou) best = {i, iou};
    }
    return best;
  }

  /// Says what is wrong with a detection that took nothing. Detections come by falling score, so that the
  /// first claim on an object is the best-scored one.
  void explain(const Placed<CocoDetection>& detection, Point& point) {
    const auto claim = [&](size_t truth) {
      if (!matching_.is_free(truth) || claimed_[truth]) return;
      claimed_[truth] = true;
      point.mended = truths_[truth].category;
    };
    const auto own = best(detection, /*own_category=*/true);
    const auto other = best(detection, /*own_category=*/false);
    const double foreground = options_.foreground_iou, background = options_.background_iou;
    if (own.iou >= background && own.iou <= foreground) {
      point.error = Error::localisation;
      claim(own.truth);
    } else if (other.iou >= foreground) {
      point.error = Error::classification;
      claim(other.truth);
    } else if (own.iou >= foreground) {
      point.error = Error::duplicate;
    } else {
      point.error = std::max(own.iou, other.iou) <= background ? Error::background : Error::both;
    }
  }

  const ErrorBreakdownOptions& options_;
  Points& all_;
  Matching<Choice::first_best> matching_;
  std::span<const Placed<CocoTruth>> truths_;  // of the image
  std::vector<bool> claimed_;                  // [truths]
};

/// The mean of the highest precision at recall 0, 0.01 .. 1 or a greater one.
double average_precision(std::vector<Scored>& scored, int64_t truths) {
  if (truths == 0) return 0;
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
  PrecisionCurve curve;
  for (const auto& [score, correct] : scored) curve.add({.matched = correct});
  const auto& precision = curve.envelope();
  std::vector<double> recalls;
  for (int64_t r = 0; r <= 100; ++r) recalls.push_back(static_cast<double>(r) / 100);
  double sum = 0;
  for (const size_t needed : needed_for(recalls, truths)) sum += precision_at(precision, needed);
  return sum / 101;
}

/// AP50 with one kind of error mended, or with none.
double mean_average_precision(const Points& all, std::optional<Error> mended) {
  std::vector<std::vector<Scored>> scored(all.truths.size());
  for (const auto& point : all.points) {
    if (!point.error || point.error != mended) {
      scored[point.category].push_back({point.score, !point.error});
    } else if (point.mended) {
      scored[*point.mended].push_back({point.score, true});
    }
  }
  double sum = 0;
  int64_t count = 0;
  for (size_t k = 0; k < scored.size(); ++k) {
    const int64_t truths = all.truths[k] - (mended == Error::missed ? all.missed[k] : 0);
    if (scored[k].empty() && truths == 0) continue;
    sum += average_precision(scored[k], truths);
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

int64_t count_of(const Points& all, Error error) {
  if (error != Error::missed) {
    return std::count_if(all.points.begin(), all.points.end(),
                         [&](const Point& point) { return point.error == error; });
  }
  int64_t count = 0;
  for (const int64_t missed : all.missed) count += missed;
  return count;
}

}  // namespace

ErrorBreakdown error_breakdown(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                               std::span<const int64_t> category_ids, const ErrorBreakdownOptions& options) {
  require(options.background_iou > 0 && options.background_iou <= options.foreground_iou,
          "error_breakdown: background_iou must be above 0 and not above foreground_iou");
  require(options.max_detections > 0, "error_breakdown: max_detections must be positive");
  Points all(category_ids.size());
  ImageSorter sorter(options, all);
  for (const auto& [id, image] : by_image(truths, detections, category_ids)) sorter.add(image);
  ErrorBreakdown breakdown{.ap50 = mean_average_precision(all, std::nullopt)};
  for (size_t i = 0; i < kNames.size(); ++i) {
    const auto error = static_cast<Error>(i);
    const double gain = mean_average_precision(all, error) - breakdown.ap50;
    breakdown.errors[i] = {kNames[i], count_of(all, error), std::max(gain, 0.0)};
  }
  return breakdown;
}

std::string to_text(const ErrorBreakdown& breakdown) {
  std::string text = fmt::format("{:<14} {:>8}  gain in TIDE's AP50 ({:.3f}) when mended\n", "error", "count",
                                 breakdown.ap50);
  for (const auto& [name, count, gain] : breakdown.errors) {
    text += fmt::format("{:<14} {:>8}  {:.3f}\n", name, count, gain);
  }
  return text;
}

}  // namespace rcnn::eval
