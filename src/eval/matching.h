#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace rcnn::eval {

/// A bit for each IoU threshold.
using Thresholds = uint64_t;

/// Which of the objects that a detection reaches it takes. The matchings of all evaluations differ in this,
/// in their thresholds and in how they compute an IoU, and in nothing else.
enum class Choice {
  last_best,   ///< the free object of the highest IoU, among equals the last: COCO's (pycocotools'
               ///< COCOeval.evaluateImg)
  first_best,  ///< the same, among equals the first: TIDE's, and supervision's confusion matrix
  best_alone,  ///< the first of the highest IoU, or none when that is taken: VOC's (VOCdevkit's VOCevaldet.m)
};

/// Greedy matching: detections come by falling score, and each takes an object that it reaches and that no
/// better one has taken, at each threshold and in each area range by itself. Objects that count go before
/// those that do not.
///
/// A detection is matched by clear_offers(), offer() for the objects that it may take, and take().
template <Choice choice>
class Matching {
 public:
  /// 1 to 64 thresholds, which an IoU reaches that is not below them; ranges of areas, of which objects count
  /// in some.
  explicit Matching(std::vector<double> iou_thresholds, size_t areas = 1)
      : iou_thresholds_(std::move(iou_thresholds)),
        areas_(areas),
        lowest_(*std::min_element(iou_thresholds_.begin(), iou_thresholds_.end())),
        all_(~Thresholds{0} >> (64 - iou_thresholds_.size())) {}

  Thresholds all() const { return all_; }

  /// Starts anew, without objects.
  void clear() {
    regions_.clear();
    ignored_.clear();
    taken_.clear();
  }

  /// An object; its place is the number of those before it. `counts(area)` says whether it does in an area
  /// range. A region (a crowd; VOC's difficult object) counts in none and can be taken any number of times.
  template <class Counts>
  void add(bool region, Counts counts) {
    regions_.push_back(region);
    for (size_t a = 0; a < areas_; ++a) ignored_.push_back(region || !counts(a));
    taken_.resize(ignored_.size());
  }
  void add(bool region = false) {
    add(region, [](size_t) { return true; });
  }

  void clear_offers() { offers_.clear(); }

  /// An IoU that is no number reaches every threshold of COCO's, as in pycocotools, and none elsewhere.
  void offer(size_t object, double iou) {
    if (choice == Choice::last_best ? !(iou < lowest_) : iou >= lowest_) insert(object, iou);
  }

  /// Takes what was offered in this area range; calls took(object, thresholds, ignored) for each object with
  /// the thresholds at which it is taken, and whether it does not count.
  template <class Took>
  void take(size_t area, Took took) {
    Thresholds open = all_;
    for (const bool ignored : {false, true}) {
      for (const auto& [object, iou, reached] : offers_) {
        const size_t cell = object * areas_ + area;
        if ((ignored_[cell] != 0) != ignored) continue;
        const Thresholds takes = reached & open & (regions_[object] != 0 ? all_ : ~taken_[cell]);
        if (takes == 0) continue;
        open &= ~takes;
        taken_[cell] |= takes;
        took(object, takes, ignored);
      }
    }
  }

  /// The same at a single threshold: what was taken.
  std::optional<size_t> take() {
    std::optional<size_t> taken;
    take(0, [&](size_t object, Thresholds, bool) { taken = object; });
    return taken;
  }

  /// Whether an object can still be taken, at a single threshold.
  bool is_free(size_t object) const { return regions_[object] != 0 || taken_[object] == 0; }

 private:
  struct Offer {
    size_t object = 0;
    double iou = 0;
    Thresholds reached = 0;
  };

  void insert(size_t object, double iou) {
    Thresholds reached = 0;
    for (size_t t = 0; t < iou_thresholds_.size(); ++t) {
      reached |= Thresholds{!(iou < iou_thresholds_[t])} << t;
    }
    const auto place = std::find_if(offers_.begin(), offers_.end(), [&](const Offer& other) {
      return choice == Choice::last_best ? other.iou <= iou : other.iou < iou;
    });
    offers_.insert(place, {object, iou, reached});
    if constexpr (choice == Choice::best_alone) offers_.resize(1);
  }

  const std::vector<double> iou_thresholds_;
  const size_t areas_;
  const double lowest_;
  const Thresholds all_;
  std::vector<char> regions_;      // [objects]
  std::vector<char> ignored_;      // [objects, areas]
  std::vector<Thresholds> taken_;  // [objects, areas]
  std::vector<Offer> offers_;      // in the order in which they are wanted
};

}  // namespace rcnn::eval
