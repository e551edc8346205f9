#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// Which file it is, whatever it is called: its device and its number there.
struct FileId {
  uint64_t device = 0, number = 0;
  auto operator<=>(const FileId&) const = default;
};

/// Of the file that a path leads to, through links; none where it leads to nothing.
RCNN_EXPORT std::optional<FileId> file_id(const std::filesystem::path& path);

/// Of those that are there.
RCNN_EXPORT std::set<FileId> file_ids(std::span<const std::filesystem::path> paths);

/// A file that is named for what a command makes. Only a plain file is ever replaced, and none that the
/// command reads.
class RCNN_EXPORT OutputFile {
 public:
  /// Looks at the place before the work begins, see check(). `option` names it in messages: "--results".
  OutputFile(std::string option, std::filesystem::path file, std::set<FileId> inputs = {});

  /// Adds what is read, too, and looks again.
  void add_inputs(std::set<FileId> inputs);

  /// Throws ConfigError when the folder is not there, and when the name is that of a link, a folder, a
  /// device, a pipe, a socket or of an input, however that is spelled: by another path, a link or another
  /// name of the same file. Throws DataError when the system does not let it be written.
  void check() const;

  /// Checks, and writes it, see write_atomically().
  void write(std::string_view content) const;

  const std::filesystem::path& path() const { return file_; }

 private:
  const std::string option_;
  const std::filesystem::path file_;
  std::set<FileId> inputs_;
};

}  // namespace rcnn::io
