#include <algorithm>
#include <optional>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/error_breakdown.h>

#include "eval/coco_images.h"
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

/// The detections of one image against its objects.
class ImageSorter {
 public:
  ImageSorter(const CocoImage& image, const ErrorBreakdownOptions& options)
      : image_(image), options_(options), taken_(image.truths.size()), claimed_(image.truths.size()) {
    const auto limit = std::min(image.detections.size(), static_cast<size_t>(options.max_detections));
    detections_ = std::span(image.detections).first(limit);
  }

  void add_to(Points& all) {
    std::vector<bool> found;
    for (const auto& detection : detections_) found.push_back(take(detection));
    for (size_t d = 0; d < detections_.size(); ++d) {
      const auto& detection = detections_[d];
      if (!found[d] && image_.in_crowd(detection, options_.foreground_iou)) continue;
      Point point{.score = detection.item->score, .category = detection.category};
      if (!found[d]) explain(detection, point);
      all.points.push_back(point);
    }
    for (size_t i = 0; i < taken_.size(); ++i) {
      ++all.truths[image_.truths[i].category];
      all.missed[image_.truths[i].category] += !taken_[i] && !claimed_[i];
    }
  }

 private:
  /// An object and its IoU with a detection.
  struct Best {
    size_t truth = 0;
    double iou = 0;
  };

  /// The object of the highest IoU among those that `fits` accepts; IoU 0 when there is none.
  template <class Fits>
  Best best(const Placed<CocoDetection>& detection, Fits fits) const {
    Best best;
    for (size_t i = 0; i < image_.truths.size(); ++i) {
      if (!fits(i)) continue;
      const double iou = coco_iou(*detection.item, *image_.truths[i].item);
      if (iou > best.iou) best = {i, iou};
    }
    return best;
  }

  bool same(const Placed<CocoDetection>& detection, size_t truth) const {
    return image_.truths[truth].category == detection.category;
  }

  bool take(const Placed<CocoDetection>& detection) {
    const auto [truth, iou] = best(detection, [&](size_t i) { return same(detection, i) && !taken_[i]; });
    if (iou < options_.foreground_iou) return false;
    taken_[truth] = true;
    return true;
  }

  /// Says what is wrong with a detection that took nothing. Detections come by falling score, so that the
  /// first claim on an object is the best-scored one.
  void explain(const Placed<CocoDetection>& detection, Point& point) {
    const auto claim = [&](size_t truth) {
      if (taken_[truth] || claimed_[truth]) return;
      claimed_[truth] = true;
      point.mended = image_.truths[truth].category;
    };
    const auto own = best(detection, [&](size_t i) { return same(detection, i); });
    const auto other = best(detection, [&](size_t i) { return !same(detection, i); });
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

  const CocoImage& image_;
  const ErrorBreakdownOptions& options_;
  std::span<const Placed<CocoDetection>> detections_;
  std::vector<bool> taken_, claimed_;  // the objects
};

/// The mean of the highest precision at recall 0, 0.01 .. 1 or a greater one.
double average_precision(std::vector<Scored>& scored, int64_t truths) {
  if (truths == 0) return 0;
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
  std::vector<double> precision, recall;
  int64_t correct = 0;
  for (size_t i = 0; i < scored.size(); ++i) {
    correct += scored[i].correct;
    precision.push_back(static_cast<double>(correct) / static_cast<double>(i + 1));
    recall.push_back(static_cast<double>(correct) / static_cast<double>(truths));
  }
  for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  size_t i = 0;
  for (int64_t r = 0; r <= 100; ++r) {
    while (i < recall.size() && recall[i] < static_cast<double>(r) / 100) ++i;
    if (i < precision.size()) sum += precision[i];
  }
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
  for (const auto& [id, image] : by_image(truths, detections, category_ids)) {
    ImageSorter(image, options).add_to(all);
  }
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
