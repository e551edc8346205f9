#pragma once

#include <filesystem>

#include <rcnn/export.h>

namespace rcnn::data {

/// Whether a file is there and lies in a folder or below it, links followed: a name that somebody else has
/// written ("../secret.png", "/home/me/secret.png", a link) may lead out of the folder that it starts from.
RCNN_EXPORT bool lies_inside(const std::filesystem::path& file, const std::filesystem::path& folder);

}  // namespace rcnn::data
