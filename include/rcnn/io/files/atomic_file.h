#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// A file that cannot be written.
class RCNN_EXPORT WriteError : public DataError {
 public:
  /// `code` is the system's number of the reason, from errno.h.
  WriteError(const std::string& message, int code) : DataError(message), code_(code) {}

  /// Whether it is the disk that refuses, and would refuse other files, too: full, read-only, failing.
  bool is_of_disk() const;

 private:
  int code_;
};

/// Writes the pieces, one after the other, as `file`: into a temporary file in the same folder, every write
/// checked, fsync, rename, fsync of the folder. A reader sees the previous content or all of the new one,
/// also after a crash; the temporary file is removed on failure. A file that is there keeps its mode; a link
/// is replaced, not what it leads to; a device, a pipe or a socket is refused. Throws WriteError with the
/// file and the system's reason, and before anything is written where the disk has no room for it.
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
