#pragma once

#include <filesystem>

#include <CLI/CLI.hpp>

#include "coco_score.h"

namespace rcnn::tools {

/// What `rcnn eval` is told about a list of detections and the annotations that it is scored against.
struct ScoreFilesArguments {
  std::filesystem::path annotations;  ///< COCO instances
  std::filesystem::path detections;   ///< COCO results
  ScoreOptions score;
  bool proposals = false;  ///< score the detections as proposals, whatever their class
  bool json = false;
};

/// Adds their options to the command. Returns --annotations, for options that cannot go with files.
CLI::Option* add_score_files(CLI::App& command, ScoreFilesArguments& arguments);

/// Scores a list of results without a model and prints their numbers. Throws DataError.
void score_files(const ScoreFilesArguments& arguments);

}  // namespace rcnn::tools
