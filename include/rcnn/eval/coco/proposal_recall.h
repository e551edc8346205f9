#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// What recall is computed over.
struct ProposalRecallOptions {
  std::vector<double> iou_thresholds = CocoMapOptions::coco_iou_thresholds();  ///< at most 64
  std::vector<AreaRange> areas = CocoMapOptions().areas;
  std::vector<int64_t> limits = {10, 100, 300, 1000};  ///< best ones of an image; ascending
};

/// The share of the objects that proposals cover, over IoU thresholds T, areas A and limits M; -1 where there
/// is no object of that area.
struct RCNN_EXPORT ProposalRecall {
  int64_t thresholds = 0, areas = 0, limits = 0;
  std::vector<double> recall;   ///< [T, A, M]
  std::vector<int64_t> truths;  ///< [A], those that count
  int64_t most = 0;             ///< proposals on the image that has the most

  double recall_at(int64_t t, int64_t a, int64_t m) const {
    return recall[static_cast<size_t>((t * areas + a) * limits + m)];
  }

  /// AR: the mean over the IoU thresholds; -1 where there is no object of that area.
  double average(int64_t a, int64_t m) const;
};

/// Recall of class-agnostic boxes (Hosang et al. 2015, "What makes for effective detection proposals?"), so
/// that an RPN can be scored alone: coco_map() with all categories as one, equal to pycocotools with useCats
/// = 0 and maxDets = limits. Among equal scores lower category ids go first.
///
/// Throws what coco_map() throws.
RCNN_EXPORT ProposalRecall proposal_recall(std::span<const CocoTruth> truths,
                                           std::span<const CocoDetection> proposals,
                                           const ProposalRecallOptions& options = {});

/// Two tables for people: AR by limit and area, and recall by limit and IoU threshold; limits above the most
/// proposals of any image are marked. `recall` must have been made with these options.
RCNN_EXPORT std::string to_text(const ProposalRecall& recall, const ProposalRecallOptions& options = {});

}  // namespace rcnn::eval
