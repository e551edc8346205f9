#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>

#include <rcnn/export.h>

namespace rcnn::io {

/// The bytes of a whole file. They stay as long as anyone holds a copy of `bytes`.
struct Memory {
  std::shared_ptr<char> bytes;
  size_t size = 0;

  std::string_view view() const { return {bytes.get(), size}; }
};

/// Maps a file, privately: who writes to these bytes gets a copy of the page, and the file stays as it is.
/// Replacing the file (rename) leaves the mapping alone; a file that is cut short while it is mapped gives a
/// SIGBUS where its end was. Throws Refusal for what is missing, empty or no regular file.
RCNN_EXPORT Memory map_file(const std::filesystem::path& file);

/// Reads all pages of a mapped file in at once: twice as fast as one by one where the file is not in the page
/// cache, and what the disk cannot read is a Refusal here, not a SIGBUS later. For a file that is known to be
/// of a kind to be read whole: gigabytes of something else would be read to be refused. Other memory stays as
/// it is.
void read_in(const Memory& memory);

}  // namespace rcnn::io
