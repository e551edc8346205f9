#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/voc_map.h>
#include <rcnn/printable.h>

#include "eval/matching.h"
#include "eval/precision_curve.h"
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

/// An object of a class, and the place of its image.
struct PlacedTruth {
  size_t image = 0;
  const GroundTruth* truth = nullptr;
};

/// What is of one class; the objects by image.
struct OfClass {
  std::vector<PlacedTruth> truths;
  std::vector<ScoredBox> detections;
};

/// The mean of the highest precision at recall 0, 0.1 .. 1 or a greater one; recall >= level / 10 is 10 found
/// >= level truths.
double points11_rule(const std::vector<double>& envelope, int64_t truths) {
  double sum = 0;
  for (int64_t level = 0; level <= 10; ++level) {
    const int64_t needed = std::max<int64_t>(1, (level * truths + 9) / 10);
    sum += precision_at(envelope, static_cast<size_t>(needed)) / 11;
  }
  return sum;
}

/// Fills in the curve and the average precision of a class, whose truths are counted.
void score_class(OfClass& of_class, const VocMapOptions& options, VocClassResult& result) {
  std::ranges::stable_sort(of_class.detections, std::ranges::greater{}, &ScoredBox::score);
  const auto& truths = of_class.truths;
  Matching<Choice::best_alone> matching({options.iou_threshold});
  for (const auto& [image, truth] : truths) matching.add(truth->difficult);
  PrecisionCurve curve;
  for (const auto& [score, image, box] : of_class.detections) {
    matching.clear_offers();
    for (const auto& there : std::ranges::equal_range(truths, image, {}, &PlacedTruth::image)) {
      const auto iou = overlap(box, there.truth->box);
      if (iou) matching.offer(static_cast<size_t>(&there - truths.data()), *iou);
    }
    const auto taken = matching.take();
    const bool ignored = taken && truths[*taken].truth->difficult;
    curve.add({.matched = taken && !ignored, .ignored = ignored});
    const auto found = static_cast<double>(curve.found());
    result.precision.push_back(curve.counted() > 0 ? found / static_cast<double>(curve.counted()) : 0);
    result.recall.push_back(found / static_cast<double>(result.truths));
  }
  result.average_precision = options.rule == VocRule::area ? area_under(curve.envelope(), result.truths)
                                                           : points11_rule(curve.envelope(), result.truths);
}

}  // namespace

VocMap voc_map(const std::vector<ImageResult>& images, int64_t num_classes, const VocMapOptions& options) {
  VocMap result;
  result.classes.resize(num_classes);
  std::vector<OfClass> classes(num_classes);
  for (size_t image = 0; image < images.size(); ++image) {
    const auto index = [&](int64_t label) {
      require(label >= 1 && label <= num_classes, "voc_map: image {} has label {}, expected 1..{}", image,
              label, num_classes);
      return label - 1;
    };
    for (const GroundTruth& truth : images[image].truths) {
      const auto label = index(truth.label);
      classes[label].truths.push_back({image, &truth});
      result.classes[label].truths += truth.difficult ? 0 : 1;
    }
    for (const Detection& detection : images[image].detections) {
      require(!std::isnan(detection.score), "voc_map: image {} has a score that is not a number", image);
      classes[index(detection.label)].detections.push_back({detection.score, image, detection.box});
    }
  }

  double sum = 0;
  int64_t scored = 0;
  for (int64_t i = 0; i < num_classes; ++i) {
    VocClassResult& of_class = result.classes[i];
    of_class.detections = std::ssize(classes[i].detections);
    if (of_class.truths == 0) continue;
    score_class(classes[i], options, of_class);
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
