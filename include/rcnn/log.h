#pragma once

#include <filesystem>
#include <string_view>

/// Messages for people, on stderr: stdout carries data only.
namespace rcnn::log {

void info(std::string_view message);

/// Prefixed with "warning: ".
void warn(std::string_view message);

/// Also appends everything logged from now on to `file`, each line with its time. Throws DataError when it
/// cannot be opened.
void also_to(const std::filesystem::path& file);

}  // namespace rcnn::log
