#pragma once

#include <string>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/vis/report/report.h>

/// Parts of a report about how good detections are. `map` is made with the default options, but for the last
/// of the three limits.
namespace rcnn::vis {

/// COCO's twelve numbers. `options` are those of the map.
std::string summary_table(const eval::CocoMap& map, const eval::CocoMapOptions& options);

/// Average precision by class, the best first, and IoU threshold, and by size.
std::string class_table(const eval::CocoMap& map, const std::vector<std::string>& classes);

/// Precision over recall: the mean over the classes, then a small chart of each class.
std::string precision_recall(const eval::CocoMap& map, const std::vector<std::string>& classes);

/// Scores of right and wrong detections, and the share of right ones by score.
std::string score_charts(const eval::ScoreHistogram& histogram, bool annotated);

/// Detections by class, the most frequent first.
std::string count_table(const std::vector<int64_t>& found, const std::vector<std::string>& classes);

}  // namespace rcnn::vis
