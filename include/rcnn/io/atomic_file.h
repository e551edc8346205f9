#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include <rcnn/error.h>

namespace rcnn::io {

/// Writes the pieces, one after the other, as `file`: into a temporary file in the same folder, every write
/// checked, fsync, rename, fsync of the folder. A reader sees the previous content or all of the new one,
/// also after a crash; the temporary file is removed on failure. Throws DataError with the file and the
/// system's reason.
void write_atomically(const std::filesystem::path& file, std::span<const std::string_view> pieces);
void write_atomically(const std::filesystem::path& file, std::string_view content);

}  // namespace rcnn::io
