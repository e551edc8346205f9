#pragma once

#include <cstdint>
#include <optional>

#include "data/images/file_bytes.h"

namespace rcnn::data {

/// The first directory of a TIFF structure in bytes begin .. end - 1 of a file, which may be a TIFF
/// (TIFF 6.0, section 2), a BigTIFF, or a JPEG's EXIF. What lies outside of these bytes is not there.
class TiffDirectory {
 public:
  TiffDirectory(FileBytes& bytes, int64_t begin, int64_t end);

  /// Whole numbers, one or several, that stand under one tag.
  struct Field {
    int size = 0;        ///< bytes of a number
    int64_t count = 0;   ///< of the numbers
    int64_t offset = 0;  ///< of the first in the file
  };

  /// Nothing when there is no such tag, or something else than bytes, shorts and longs under it.
  std::optional<Field> find(int64_t tag);

  /// Whether another directory follows, another page that is.
  bool has_next() {
    const bool inside = entries_ > 0 && entries_ <= (end_ - begin_) / entry_size();
    return inside && read(first_entry_ + entries_ * entry_size(), offset_size_) > 0;
  }

  /// The number at a place below field.count; negative when it does not lie inside.
  int64_t number(const Field& field, int64_t place = 0);

 private:
  int64_t read(int64_t offset, int count);
  int64_t entry_size() const { return 4 + 2 * offset_size_; }

  FileBytes& bytes_;
  const int64_t begin_, end_;
  bool most_significant_first_ = false;
  int offset_size_ = 4;  // 8 in a BigTIFF
  int64_t first_entry_ = 0, entries_ = 0;
};

/// What the TIFF structure in bytes begin .. end - 1 of a file says of the image's orientation (EXIF 2.32,
/// section 4.6.4, tag 0x0112 of the first directory): 1 as stored, 2 .. 8 to be flipped or turned; 1 when it
/// says nothing, or nothing that could be understood.
int tiff_orientation(FileBytes& bytes, int64_t begin, int64_t end);

/// The same of EXIF, which some programs store with the name that it has in a JPEG, "Exif" and two zeros, in
/// front.
int exif_orientation(FileBytes& bytes, int64_t begin, int64_t end);

}  // namespace rcnn::data
