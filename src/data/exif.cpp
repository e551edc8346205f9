#include "data/exif.h"

namespace rcnn::data {

Orientation find_orientation(FileBytes& bytes, int64_t begin, int64_t end) {
  constexpr int64_t kAsStored = 1, kLast = 8, kEntry = 12, kShort = 3;
  const int64_t order = bytes.big_endian(begin, 2);
  const bool big = order == 0x4d4d;  // "MM", and "II" for the other one
  if (!big && order != 0x4949) return {};
  // FileBytes::kEnd, which no field may be, for what does not lie inside.
  const auto number = [&](int64_t offset, int count) -> int64_t {
    if (offset < 0 || offset + count > end - begin) return FileBytes::kEnd;
    return big ? bytes.big_endian(begin + offset, count) : bytes.little_endian(begin + offset, count);
  };
  const int64_t directory = number(4, 4);
  if (number(2, 2) != 42 || directory == FileBytes::kEnd) return {};
  const int64_t entries = number(directory, 2);
  for (int64_t i = 0; i < entries; ++i) {
    const int64_t entry = directory + 2 + i * kEntry;
    if (number(entry, 2) != 0x0112) continue;
    const int64_t value = number(entry + 8, 2);
    const bool valid = number(entry + 2, 2) == kShort && number(entry + 4, 4) == 1;
    if (!valid || value < kAsStored || value > kLast) return {};
    return {static_cast<int>(value), begin + entry + 8};
  }
  return {};
}

}  // namespace rcnn::data
