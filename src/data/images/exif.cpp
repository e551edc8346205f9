#include "data/images/exif.h"

#include "data/images/tiff.h"

namespace rcnn::data {

Orientation find_orientation(FileBytes& bytes, int64_t begin, int64_t end) {
  constexpr int64_t kTag = 0x0112, kAsStored = 1, kLast = 8;
  constexpr int kShort = 2;
  TiffDirectory directory(bytes, begin, end);
  const auto field = directory.find(kTag);
  if (!field || field->size != kShort || field->count != 1) return {};
  const int64_t value = directory.number(*field);
  if (value < kAsStored || value > kLast) return {};
  return {static_cast<int>(value), field->offset};
}

}  // namespace rcnn::data
