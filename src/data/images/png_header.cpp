#include <algorithm>
#include <optional>
#include <string_view>

#include "data/images/image_header.h"
#include "data/images/tiff_directory.h"

namespace rcnn::data {
namespace {

/// A PNG is a signature and a chain of these: length, name, content, CRC.
struct PngChunk {
  int64_t name = 0, content = 0, content_end = 0;
  int64_t end() const { return content_end + 4; }
};

constexpr int64_t kPngData = 0x49444154, kPngEnd = 0x49454e44, kPngExif = 0x65584966,
                  kPngAnimation = 0x6163544c;

std::optional<PngChunk> png_chunk(FileBytes& bytes, int64_t begin) {
  const int64_t length = bytes.big_endian(begin, 4), name = bytes.big_endian(begin + 4, 4);
  if (name == FileBytes::kEnd || length > INT32_MAX || begin + 12 + length > bytes.size())
    return std::nullopt;
  return PngChunk{name, begin + 8, begin + 8 + length};
}

/// What ImageMagick writes behind the pixels: looked for in the last bytes, since the way there leads through
/// all of the file. It is one when chunks lead from it to the end.
std::optional<PngChunk> exif_behind_pixels(FileBytes& bytes, int64_t pixels) {
  constexpr int64_t kLooked = 16384, kMostChunks = 100;
  const int64_t first = std::max(pixels, bytes.size() - kLooked);
  const auto tail = bytes.part(first, bytes.size());  // which stays, for nothing before it is looked at
  const std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
  for (auto place = text.find("eXIf", 4); place != text.npos; place = text.find("eXIf", place + 1)) {
    const auto exif = png_chunk(bytes, first + static_cast<int64_t>(place) - 4);
    auto chunk = exif;
    for (int64_t i = 0; chunk && chunk->name != kPngEnd && i < kMostChunks; ++i)
      chunk = png_chunk(bytes, chunk->end());
    if (chunk && chunk->name == kPngEnd) return exif;
  }
  return std::nullopt;
}

}  // namespace

ImageHeader png_header(FileBytes& bytes) {
  constexpr int64_t kSignature = 8, kMostChunks = 1000;
  ImageHeader header{.kind = ImageKind::png,
                     .size = {.height = bytes.big_endian(20, 4), .width = bytes.big_endian(16, 4)}};
  if (header.size.height == FileBytes::kEnd) {
    throw file_error(bytes.file(), "is cut off: its PNG header ends early; copy it again or remove it");
  }
  std::optional<PngChunk> exif;
  auto chunk = png_chunk(bytes, kSignature);
  for (int64_t i = 0; chunk && chunk->name != kPngData && i < kMostChunks; ++i) {
    if (chunk->name == kPngExif) exif = chunk;
    if (chunk->name == kPngAnimation) header.several = bytes.big_endian(chunk->content, 4) > 1;
    chunk = png_chunk(bytes, chunk->end());
  }
  if (!exif && chunk) exif = exif_behind_pixels(bytes, chunk->end());
  if (exif) header.orientation = exif_orientation(bytes, exif->content, exif->content_end);
  return header;
}

}  // namespace rcnn::data
