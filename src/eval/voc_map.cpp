#include <algorithm>
#include <cmath>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/voc_map.h>
#include <rcnn/printable.h>

#include "eval/require.h"

namespace rcnn::eval {
namespace {

struct ScoredBox {
  float score;
  size_t image;
  Box box;
};

double area(const Box& box) {
  return (double{box.x2} - box.x1) * (double{box.y2} - box.y1);
}

/// None when they do not overlap, so that a threshold of 0 does not make a match of any two boxes.
std::optional<double> overlap(const Box& a, const Box& b) {
  const double width = double{std::min(a.x2, b.x2)} - std::max(a.x1, b.x1);
  const double height = double{std::min(a.y2, b.y2)} - std::max(a.y1, b.y1);
  if (!(width > 0 && height > 0)) return std::nullopt;
  return width * height / (area(a) + area(b) - width * height);
}

/// The index of the truth of class `label` with the highest IoU; none below the threshold.
std::optional<size_t> best_truth(const std::vector<GroundTruth>& truths, int64_t label, const Box& box,
                                 double threshold) {
  std::optional<size_t> best;
  double best_iou = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < truths.size(); ++i) {
    if (truths[i].label != label) continue;
    const auto iou = overlap(box, truths[i].box);
    if (iou && *iou > best_iou) {
      best = i;
      best_iou = *iou;
    }
  }
  return best_iou >= threshold ? best : std::nullopt;
}

/// The area under the curve whose precision at each recall is the highest at that recall or a greater one.
double area_rule(const VocClassResult& curve) {
  double sum = 0, highest = 0;
  for (size_t i = curve.recall.size(); i-- > 0;) {
    highest = std::max(highest, curve.precision[i]);
    sum += highest * (curve.recall[i] - (i > 0 ? curve.recall[i - 1] : 0));
  }
  return sum;
}

/// `found` counts the true positives after each detection: recall >= level / 10 is 10 found >= level truths.
double points11_rule(const VocClassResult& curve, const std::vector<int64_t>& found) {
  double sum = 0;
  for (int64_t level = 0; level <= 10; ++level) {
    double highest = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      if (10 * found[i] >= level * curve.truths) highest = std::max(highest, curve.precision[i]);
    }
    sum += highest / 11;
  }
  return sum;
}

/// Fills in the curve and the average precision of class `label`, whose truths and detections are counted.
void score_class(const std::vector<ImageResult>& images, int64_t label, std::vector<ScoredBox>& detections,
                 const VocMapOptions& options, VocClassResult& result) {
  std::ranges::stable_sort(detections, std::ranges::greater{}, &ScoredBox::score);

  std::vector<std::vector<bool>> taken(images.size());
  std::vector<int64_t> found;
  int64_t true_positives = 0, false_positives = 0;
  for (const ScoredBox& detection : detections) {
    const auto& truths = images[detection.image].truths;
    auto& taken_here = taken[detection.image];
    taken_here.resize(truths.size());
    const auto match = best_truth(truths, label, detection.box, options.iou_threshold);
    if (!match || taken_here[*match]) {
      ++false_positives;
    } else if (!truths[*match].difficult) {
      ++true_positives;
      taken_here[*match] = true;
    }
    const int64_t counted = true_positives + false_positives;
    found.push_back(true_positives);
    result.precision.push_back(counted > 0 ? double(true_positives) / double(counted) : 0);
    result.recall.push_back(double(true_positives) / double(result.truths));
  }
  result.average_precision = options.rule == VocRule::area ? area_rule(result) : points11_rule(result, found);
}

}  // namespace

VocMap voc_map(const std::vector<ImageResult>& images, int64_t num_classes, const VocMapOptions& options) {
  VocMap result;
  result.classes.resize(num_classes);
  std::vector<std::vector<ScoredBox>> detections(num_classes);
  for (size_t image = 0; image < images.size(); ++image) {
    const auto index = [&](int64_t label) {
      require(label >= 1 && label <= num_classes, "voc_map: image {} has label {}, expected 1..{}", image,
              label, num_classes);
      return label - 1;
    };
    for (const GroundTruth& truth : images[image].truths) {
      result.classes[index(truth.label)].truths += truth.difficult ? 0 : 1;
    }
    for (const Detection& detection : images[image].detections) {
      require(!std::isnan(detection.score), "voc_map: image {} has a score that is not a number", image);
      detections[index(detection.label)].push_back({detection.score, image, detection.box});
    }
  }

  double sum = 0;
  int64_t scored = 0;
  for (int64_t i = 0; i < num_classes; ++i) {
    VocClassResult& of_class = result.classes[i];
    of_class.detections = int64_t(detections[i].size());
    if (of_class.truths == 0) continue;
    score_class(images, i + 1, detections[i], options, of_class);
    sum += *of_class.average_precision;
    ++scored;
  }
  if (scored > 0) result.mean_average_precision = sum / double(scored);
  return result;
}

std::string to_table(const VocMap& result, const std::vector<Category>& categories) {
  require(categories.size() == result.classes.size(), "to_table: {} classes but {} categories",
          result.classes.size(), categories.size());
  size_t width = std::string_view("class").size();
  for (const Category& category : categories) width = std::max(width, printable(category.name).size());

  std::string table =
      fmt::format("{:<{}}  {:>8}  {:>10}  {:>6}\n", "class", width, "objects", "detections", "AP");
  for (size_t i = 0; i < categories.size(); ++i) {
    const VocClassResult& row = result.classes[i];
    const std::string ap = row.average_precision ? fmt::format("{:.4f}", *row.average_precision) : "-";
    table += fmt::format("{:<{}}  {:>8}  {:>10}  {:>6}\n", printable(categories[i].name), width, row.truths,
                         row.detections, ap);
  }
  return table + fmt::format("{:<{}}  {:>8}  {:>10}  {:>6.4f}\n", "mean", width, "", "",
                             result.mean_average_precision);
}

}  // namespace rcnn::eval
