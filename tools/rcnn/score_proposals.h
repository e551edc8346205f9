#pragma once

#include <filesystem>

#include "data_commands.h"

namespace rcnn::tools {

/// Score proposals without a model and print their recall and best overlaps, as `rcnn eval --proposals` does
/// those of an RPN; see data::with_proposals() for whose they are. Throw ConfigError and DataError.

/// Those of a file on one part of a data set of any format; without a file those that a config names.
void score_proposals(const DatasetArguments& dataset, const std::filesystem::path& proposals, bool json);

/// Those of a file on the images that a COCO file lists, which need not be there.
void score_listed_proposals(const std::filesystem::path& annotations, const std::filesystem::path& proposals,
                            bool json);

}  // namespace rcnn::tools
