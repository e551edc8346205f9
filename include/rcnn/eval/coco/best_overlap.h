#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rcnn/detection.h>
#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// How many proposals of an image are looked at.
struct BestOverlapOptions {
  std::vector<int64_t> limits = {10, 100, 300, 1000, 2000};  ///< best ones; ascending, 1 or more
};

/// The average best overlap (ABO) of categories K at limits M.
struct RCNN_EXPORT BestOverlap {
  int64_t categories = 0, limits = 0;
  std::vector<double> abo;      ///< [K, M]; -1 where a category has no object
  std::vector<int64_t> truths;  ///< [K], those that count

  double abo_at(int64_t k, int64_t m) const { return abo[static_cast<size_t>(k * limits + m)]; }

  /// MABO: the mean over the categories that have objects; -1 where none has.
  double mean(int64_t m) const;
};

/// How well the best proposal of each object fits it (Uijlings et al. 2013, "Selective Search for Object
/// Recognition", section 5): the mean over a category's objects of the greatest IoU with a proposal of their
/// image, whatever the proposal's category; 0 for an object that none touches. Crowds are left out. Of
/// proposals with equal scores those given first go first.
///
/// `category_ids` are K, ascending and without repetition; objects of others are left out. Throws
/// std::invalid_argument for a score that is not a number and for limits that do not ascend.
RCNN_EXPORT BestOverlap best_overlap(std::span<const CocoTruth> truths,
                                     std::span<const CocoDetection> proposals,
                                     std::span<const int64_t> category_ids,
                                     const BestOverlapOptions& options = {});

/// A table for people: MABO, and ABO by category, for each limit. `overlap` must have been made with these
/// options, for as many categories.
RCNN_EXPORT std::string to_text(const BestOverlap& overlap, std::span<const Category> categories,
                                const BestOverlapOptions& options = {});

}  // namespace rcnn::eval
