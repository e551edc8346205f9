#pragma once

#include <filesystem>
#include <string_view>

#include <rcnn/export.h>

/// Messages for people, on stderr, control characters escaped (printable.h): stdout carries data only. A
/// stderr that cannot be written is no error.
namespace rcnn::log {

/// Says it as it is.
RCNN_EXPORT void info(std::string_view message);

/// Prefixed with "warning: ".
RCNN_EXPORT void warn(std::string_view message);

/// Also appends everything logged from now on to `file`, each line with its time. Throws DataError when it
/// cannot be opened; when it can no longer be written that is a warning, told once.
RCNN_EXPORT void also_to(const std::filesystem::path& file);

/// Ends what also_to() with this file began.
RCNN_EXPORT void no_longer_to(const std::filesystem::path& file);

}  // namespace rcnn::log
