#pragma once

#include <filesystem>

#include <rcnn/export.h>

namespace rcnn::io {

/// Makes a folder, and those above it, that will hold what a command writes. It may be there already if
/// nothing is in it. Throws ConfigError that names it as --output.
RCNN_EXPORT void make_new_folder(const std::filesystem::path& folder);

/// Throws as make_new_folder would, and makes nothing.
RCNN_EXPORT void check_new_folder(const std::filesystem::path& folder);

}  // namespace rcnn::io
