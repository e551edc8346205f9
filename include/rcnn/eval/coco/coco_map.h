#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <rcnn/export.h>

namespace rcnn::eval {

/// An annotated object, in pixels as COCO's files have it.
struct CocoTruth {
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height
  double area = 0;                 ///< of the object, not of its box: sizes go by it
  bool crowd = false;              ///< a region where nothing counts
  int64_t id = 1;                  ///< 0 counts as no id at all: what matches such an object stays unmatched
};

/// A detected object, whose area is that of its box.
struct CocoDetection {
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height
  double score = 0;
};

/// Objects of an area in [min, max] count, the others are ignored.
struct AreaRange {
  std::string_view name;
  double min = 0, max = 0;
};

/// What detections are scored at; the defaults are COCO's.
struct RCNN_EXPORT CocoMapOptions {
  std::vector<double> iou_thresholds = coco_iou_thresholds();  ///< at most 64
  std::vector<AreaRange> areas = {
      {"all", 0, 1e10}, {"small", 0, 1024}, {"medium", 1024, 9216}, {"large", 9216, 1e10}};
  std::vector<int64_t> max_detections = {1, 10, 100};  ///< best ones of an image and category; ascending

  /// 0.5, 0.55 .. 0.95, in numpy's rounding.
  static std::vector<double> coco_iou_thresholds();
};

/// Precision and recall over IoU thresholds T, recall thresholds R (0, 0.01 .. 1), categories K, areas A and
/// limits of detections M; -1 where a category has no object of that area.
struct CocoMap {
  static constexpr int64_t kRecalls = 101;
  int64_t thresholds = 0, categories = 0, areas = 0, limits = 0;
  std::vector<double> precision;  ///< [T, R, K, A, M]
  std::vector<double> recall;     ///< [T, K, A, M]
  std::vector<int64_t> truths;    ///< [K, A], those that count

  size_t precision_index(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const {
    return static_cast<size_t>((((t * kRecalls + r) * categories + k) * areas + a) * limits + m);
  }
  size_t recall_index(int64_t t, int64_t k, int64_t a, int64_t m) const {
    return static_cast<size_t>(((t * categories + k) * areas + a) * limits + m);
  }
  size_t truths_index(int64_t k, int64_t a) const { return static_cast<size_t>(k * areas + a); }

  double precision_at(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const {
    return precision[precision_index(t, r, k, a, m)];
  }
  double recall_at(int64_t t, int64_t k, int64_t a, int64_t m) const {
    return recall[recall_index(t, k, a, m)];
  }
  int64_t truths_at(int64_t k, int64_t a) const { return truths[truths_index(k, a)]; }
};

/// COCO's evaluation of boxes, to the last bit that of pycocotools 2.0.11 (COCOeval with iouType "bbox"):
/// detections of an image and category go by falling score, each takes the free object of the highest IoU
/// that reaches the threshold, objects that count first; crowds may be taken again. What takes an ignored
/// object, or takes none and has an area out of range, is ignored. Equal scores keep the order of the image
/// ids, and within an image the order given.
///
/// `category_ids` are K, ascending and without repetition; objects and detections of others are left out.
/// Runs on all cores. Throws std::invalid_argument for a score that is not a number and for options out of
/// their ranges, std::bad_alloc when memory runs out on any of them.
RCNN_EXPORT CocoMap coco_map(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                             std::span<const int64_t> category_ids, const CocoMapOptions& options = {});

}  // namespace rcnn::eval
