#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <rcnn/data/options.h>
#include <rcnn/train/stages.h>

namespace rcnn::train {

/// Whether the stage goes on in the folder of an earlier run. Throws ConfigError where it can neither do that
/// nor begin there; makes nothing.
bool goes_on(const Stage& stage, Run::Resume resume);

/// Whether a stage's data come from one that is not done.
bool needs_missing_data(const Stage& stage);

/// Whether what is missing of its data is but proposals, without which images and classes can be read.
bool lacks_proposals_alone(const Stage& stage);

/// The files of earlier stages, some of which may come later.
std::vector<std::filesystem::path> product_files(const Stage& stage);

/// A number for the images of a part, their boxes and proposals; its problems were told before.
std::string number_of(const data::DataOptions& options, const data::SplitOptions& part);

/// The numbers of the files that a config's "model" has as weights, see StageKind::inputs.
std::map<std::string, std::string> numbers_of_weights(const Stage& stage);

}  // namespace rcnn::train
