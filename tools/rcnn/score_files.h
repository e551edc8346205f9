#pragma once

#include <filesystem>
#include <vector>

#include <CLI/CLI.hpp>

#include <rcnn/eval/score.h>

namespace rcnn::tools {

/// What `rcnn eval` is told about a list of detections and the annotations that it is scored against.
struct ScoreFilesArguments {
  std::filesystem::path annotations;  ///< COCO instances
  std::filesystem::path detections;   ///< COCO results
  eval::ScoreOptions score;
  bool proposals = false;  ///< score the detections as proposals, whatever their class
  bool json = false;
  const CLI::Option* of_proposals = nullptr;        ///< --proposals itself
  std::vector<const CLI::Option*> of_classes = {};  ///< what does not go with it
};

/// Adds their options to the command.
void add_score_files(CLI::App& command, ScoreFilesArguments& arguments);

/// Throws ConfigError where numbers of classes are asked for: proposals have none.
void check_classes_are_not_asked_for(const ScoreFilesArguments& arguments);

/// Throws ConfigError for options that do not go together.
void check_options(const ScoreFilesArguments& arguments);

/// Scores a list of results without a model and prints their numbers. Throws DataError.
void score_files(const ScoreFilesArguments& arguments);

}  // namespace rcnn::tools
