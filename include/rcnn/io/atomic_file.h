#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// Writes the pieces, one after the other, as `file`: into a temporary file in the same folder, every write
/// checked, fsync, rename, fsync of the folder. A reader sees the previous content or all of the new one,
/// also after a crash; the temporary file is removed on failure. Throws DataError with the file and the
/// system's reason, and before anything is written where the disk has no room for it.
RCNN_EXPORT void write_atomically(const std::filesystem::path& file,
                                  std::span<const std::string_view> pieces);

/// The same for one piece.
RCNN_EXPORT void write_atomically(const std::filesystem::path& file, std::string_view content);

/// Removes the temporary files that a process which was killed while it wrote left in `folder`: all files
/// there, not those of folders below, whose names end in ".tmp.<number>.<number>". Those of a process that
/// still writes have such names as well: it is for who owns the folder alone. Returns how many there were.
/// Throws DataError when the folder cannot be listed or one of them not removed.
RCNN_EXPORT size_t remove_temporaries(const std::filesystem::path& folder);

}  // namespace rcnn::io
