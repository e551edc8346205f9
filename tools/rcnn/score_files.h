#pragma once

#include <filesystem>

#include "coco_score.h"

namespace rcnn::tools {

struct ScoreFilesArguments {
  std::filesystem::path annotations;  ///< COCO instances
  std::filesystem::path detections;   ///< COCO results
  ScoreOptions score;
  bool proposals = false;  ///< score the detections as proposals, whatever their class
  bool json = false;
};

/// Scores a list of results without a model and prints their numbers. Throws DataError.
void score_files(const ScoreFilesArguments& arguments);

}  // namespace rcnn::tools
