#include "data/images/jpeg_header.h"

#include <algorithm>

#include "data/images/tiff_directory.h"

namespace rcnn::data {
namespace {

/// A JPEG is a chain of markers, each 0xff and its kind, most of them with a length and that much content.
enum Marker { kNone = -1, kTemporary = 0x01, kFrame = 0xc0, kStart = 0xd8, kEndOfImage = 0xd9, kApp1 = 0xe1 };

class Markers {
 public:
  /// Looks no further than `limit`.
  Markers(FileBytes& bytes, int64_t limit) : bytes_(bytes), limit_(limit) {}

  /// The next one, after the content of the last, or kNone at the end of the file. Whatever else lies before
  /// it is passed over: fill bytes, and compressed data with its stuffed zeros and restart markers.
  int next() {
    for (offset_ = end_; byte() != FileBytes::kEnd; ++offset_) {
      if (byte() != 0xff) continue;
      while (byte() == 0xff) ++offset_;
      const int marker = byte();
      if (marker == FileBytes::kEnd) break;
      const bool data = marker == 0 || (marker >= 0xd0 && marker <= 0xd7);
      if (data) continue;
      end_ = ++offset_;
      const bool bare = marker == kStart || marker == kEndOfImage || marker == kTemporary;
      if (!bare) end_ += std::max<int64_t>(bytes_.big_endian(offset_, 2), 2);
      return marker;
    }
    return kNone;
  }

  int64_t content() const { return offset_ + 2; }
  int64_t content_end() const { return end_; }

 private:
  int byte() { return offset_ < limit_ ? bytes_[offset_] : FileBytes::kEnd; }

  FileBytes& bytes_;
  const int64_t limit_;
  int64_t offset_ = 0;  // behind the marker
  int64_t end_ = 2;     // behind its content; the first marker says that this is a JPEG
};

bool is_frame(int marker) {
  const bool other = marker == 0xc4 || marker == 0xc8 || marker == 0xcc;  // tables, reserved, arithmetic
  return (marker & 0xf0) == kFrame && !other;
}

}  // namespace

bool is_jpeg(FileBytes& bytes) {
  return bytes.big_endian(0, 2) == 0xffd8;
}

std::optional<JpegHeader> read_jpeg_header(FileBytes& bytes) {
  constexpr int64_t kExif = 0x457869660000;  // "Exif", 0, 0
  constexpr int64_t kLongestHeader =
      64'000'000;  // depth maps of telephones and colour profiles are megabytes
  JpegHeader info;
  Markers markers(bytes, kLongestHeader);
  for (int marker = markers.next(); marker != kEndOfImage && marker != kNone; marker = markers.next()) {
    if (marker == kApp1 && bytes.big_endian(markers.content(), 6) == kExif && info.orientation == 1) {
      info.orientation = exif_orientation(bytes, markers.content(), markers.content_end());
    }
    if (is_frame(marker)) {
      info.bits = bytes[markers.content()];
      info.size = {bytes.big_endian(markers.content() + 1, 2), bytes.big_endian(markers.content() + 3, 2)};
      if (info.size.width == FileBytes::kEnd || info.size.height == FileBytes::kEnd) return std::nullopt;
      return info;
    }
  }
  return std::nullopt;
}

bool is_complete_jpeg(FileBytes& bytes) {
  if (bytes.big_endian(bytes.size() - 2, 2) == 0xffd9) return true;
  Markers markers(bytes, bytes.size());
  for (int marker = markers.next(); marker != kNone; marker = markers.next()) {
    if (marker == kEndOfImage) return true;
  }
  return false;
}

DataError jpeg_ends_early(const FileBytes& bytes) {
  return file_error(bytes.file(), "is cut off: its JPEG data ends early; copy it again or remove it");
}

}  // namespace rcnn::data
