#pragma once

#include <string>
#include <vector>

#include <rcnn/eval/errors/confusion.h>
#include <rcnn/eval/errors/error_breakdown.h>

/// Parts of a report about what is wrong with detections.
namespace rcnn::vis {

/// The matrix, of at most 60 classes, and the most frequent confusions.
std::string confusion_tables(const eval::Confusion& confusion, const std::vector<std::string>& classes);

/// TIDE's errors with what each is, its count and what mending it would gain.
std::string error_table(const eval::ErrorBreakdown& errors);

}  // namespace rcnn::vis
