#pragma once

#include <filesystem>

#include "score_files.h"

namespace rcnn::tools {

/// Scores a file of stored proposals without a model and prints their recall and best overlaps. Its images
/// are those of the annotations by their ids, or by the names of their files without the ending; without ids
/// they are as many, in the same order. Throws ConfigError for options that do not go with it, DataError.
void score_proposals(const ScoreFilesArguments& arguments, const std::filesystem::path& proposals);

}  // namespace rcnn::tools
