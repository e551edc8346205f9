#pragma once

#include <filesystem>
#include <vector>

#include <rcnn/data/coco_file.h>
#include <rcnn/eval/coco_map.h>

namespace rcnn::tools {

struct ScoreFilesArguments {
  std::filesystem::path annotations;  ///< COCO instances
  std::filesystem::path detections;   ///< COCO results
  bool json = false;
  bool per_class = false;  ///< a table by class behind the twelve numbers; in JSON it is always there
};

/// The annotations as the evaluation takes them.
std::vector<eval::CocoTruth> truths_of(const data::CocoFile& file);

/// Scores a list of results without a model and prints COCO's numbers. Throws DataError.
void score_files(const ScoreFilesArguments& arguments);

}  // namespace rcnn::tools
