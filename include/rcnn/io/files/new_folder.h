#pragma once

#include <filesystem>

#include <rcnn/export.h>

namespace rcnn::io {

/// Makes a folder, and those above it, that will hold what a command writes; it may be there already. Errors
/// name it as --output: ConfigError when something else lies in its place, DataError when the system refuses,
/// or lets nothing be written there.
RCNN_EXPORT void make_folder(const std::filesystem::path& folder);

/// The same for a folder that may be there only if nothing is in it; otherwise that is a ConfigError.
RCNN_EXPORT void make_new_folder(const std::filesystem::path& folder);

/// Throws as make_new_folder would, and makes nothing.
RCNN_EXPORT void check_new_folder(const std::filesystem::path& folder);

}  // namespace rcnn::io
