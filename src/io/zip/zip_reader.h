#pragma once

#include <cstdint>
#include <map>
#include <string_view>

namespace rcnn::io {

/// The files in a zip archive that is in memory, by the central directory at its end. They are views of it:
/// only stored ones can be read, not compressed ones. Every length is checked against the archive, and no two
/// files overlap.
class ZipReader {
 public:
  struct Entry {
    std::string_view data;  ///< as it is stored
    uint32_t crc = 0;
    bool readable = false;  ///< neither compressed nor encrypted
  };

  /// Throws Refusal.
  explicit ZipReader(std::string_view archive);

  /// Names refer to the archive.
  const std::map<std::string_view, Entry>& entries() const { return entries_; }

  /// The file's bytes, whose CRC is verified. Throws Refusal, also where there is no such file.
  std::string_view read(std::string_view name) const;

 private:
  struct Directory {
    uint64_t begin;
    uint64_t end;
    uint64_t entries;
  };

  Directory find_directory() const;
  uint64_t read_entry(uint64_t position, uint64_t directory_begin);
  void refuse_overlaps() const;

  const std::string_view archive_;
  std::map<std::string_view, Entry> entries_;
};

}  // namespace rcnn::io
