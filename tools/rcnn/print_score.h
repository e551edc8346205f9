#pragma once

#include <rcnn/eval/score.h>

namespace rcnn::tools {

/// On stdout the table, or the score as JSON in one line; on stderr the warnings.
///
/// COCO's score: {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
/// "per_class", "negative_images"}, VOC's: {"metric", "mAP", "per_class"}, that of proposals: {"proposals",
/// "most", "AR", "iou_thresholds", "recall", "ABO"}, AR by area and limit, recall by limit and IoU threshold,
/// ABO by class and limit, and beside them the numbers of eval::Score. All have {"comparable", "reasons",
/// "warnings"}, and {"errors", "confusion"} where the score has them.
void print(const eval::Score& score, bool json);

}  // namespace rcnn::tools
