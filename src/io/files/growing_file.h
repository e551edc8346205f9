#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <rcnn/export.h>

#include "io/files/temporary_file.h"

namespace rcnn::io {

/// A file of which what is there is whole at every moment: a body, to which bytes are added, and an end, such
/// as the closing bracket of a list. Each addition and the new end are one write over the old end, so that a
/// process that is killed leaves all it added. Until put_in_place() it lies under a temporary name, and an
/// older file of its name stays. Throws WriteError; a write that fails leaves the body and the end from
/// before it.
class RCNN_EXPORT GrowingFile {
 public:
  GrowingFile(std::filesystem::path file, std::string_view body, std::string_view end,
              FileSystem& files = FileSystem::real());

  void put_in_place() { file_.put_in_place(); }

  /// The new content may not be shorter than the old.
  void append(std::string_view bytes, std::string_view end);

  /// Waits until all of it is on the disk, name included.
  void sync();

 private:
  TemporaryFile file_;
  uint64_t body_ = 0;  // bytes
  std::string end_;
};

}  // namespace rcnn::io
