#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>

#include <rcnn/config/config.h>
#include <rcnn/io/files/output_file.h>

#include "evaluate.h"

namespace rcnn::tools {

/// A file that is named for what a command makes, looked at before the work begins, see io::OutputFile; no
/// file of a run is one, either. `inputs` are files that the command reads.
io::OutputFile output_file(std::string option, const std::filesystem::path& file,
                           std::span<const std::filesystem::path> inputs);

/// The files that a config's values came from.
std::set<io::FileId> files_of(const config::Config& config);

/// The images of a data set, and what says what is on them.
std::set<io::FileId> files_of(const TestSet& test);

}  // namespace rcnn::tools
