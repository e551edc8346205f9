#include "data/images/tiff_directory.h"

namespace rcnn::data {
namespace {

/// Of a type's numbers; 0 for types that are no unsigned whole numbers.
int bytes_of(int64_t type) {
  constexpr int64_t kByte = 1, kShort = 3, kLong = 4, kLong8 = 16;
  return type == kByte ? 1 : type == kShort ? 2 : type == kLong ? 4 : type == kLong8 ? 8 : 0;
}

}  // namespace

TiffDirectory::TiffDirectory(FileBytes& bytes, int64_t begin, int64_t end)
    : bytes_(bytes), begin_(begin), end_(end) {
  constexpr int64_t kTiff = 42, kBigTiff = 43;
  const int64_t order = bytes.big_endian(begin, 2);
  most_significant_first_ = order == 0x4d4d;  // "MM", and "II" for the other one
  if (!most_significant_first_ && order != 0x4949) return;
  const int64_t version = read(2, 2);
  if (version != kTiff && version != kBigTiff) return;
  const bool big = version == kBigTiff;
  if (big && (read(4, 2) != 8 || read(6, 2) != 0)) return;
  offset_size_ = big ? 8 : 4;
  const int64_t directory = read(big ? 8 : 4, offset_size_);
  const int count_size = big ? 8 : 2;
  const int64_t entries = read(directory, count_size);
  if (entries < 0) return;
  entries_ = entries;
  first_entry_ = directory + count_size;
}

int64_t TiffDirectory::read(int64_t offset, int count) {
  if (offset < 0 || offset > end_ - begin_ - count) return FileBytes::kEnd;
  return most_significant_first_ ? bytes_.big_endian(begin_ + offset, count)
                                 : bytes_.little_endian(begin_ + offset, count);
}

std::optional<TiffDirectory::Field> TiffDirectory::find(int64_t tag) {
  for (int64_t i = 0; i < entries_; ++i) {
    const int64_t entry = first_entry_ + i * entry_size();
    const int64_t found = read(entry, 2);
    if (found < 0) return std::nullopt;
    if (found != tag) continue;
    Field field{.size = bytes_of(read(entry + 2, 2)), .count = read(entry + 4, offset_size_)};
    if (field.size == 0 || field.count < 1) return std::nullopt;
    int64_t value = entry + 4 + offset_size_;
    if (field.count > offset_size_ / field.size) value = read(value, offset_size_);  // they did not fit there
    if (value < 0 || value >= end_ - begin_) return std::nullopt;
    field.offset = begin_ + value;
    return field;
  }
  return std::nullopt;
}

int64_t TiffDirectory::number(const Field& field, int64_t place) {
  if (place > (end_ - begin_) / field.size) return FileBytes::kEnd;
  return read(field.offset - begin_ + place * field.size, field.size);
}

int tiff_orientation(FileBytes& bytes, int64_t begin, int64_t end) {
  constexpr int64_t kTag = 0x0112, kAsStored = 1, kLast = 8;
  constexpr int kShort = 2;
  TiffDirectory directory(bytes, begin, end);
  const auto field = directory.find(kTag);
  if (!field || field->size != kShort || field->count != 1) return kAsStored;
  const int64_t value = directory.number(*field);
  return static_cast<int>(value < kAsStored || value > kLast ? kAsStored : value);
}

int exif_orientation(FileBytes& bytes, int64_t begin, int64_t end) {
  constexpr int64_t kName = 0x457869660000;  // "Exif", 0, 0
  if (bytes.big_endian(begin, 6) == kName) begin += 6;
  return tiff_orientation(bytes, begin, end);
}

}  // namespace rcnn::data
