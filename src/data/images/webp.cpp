#include "data/images/webp.h"

#include <algorithm>
#include <string_view>

#include "data/images/tiff_directory.h"

namespace rcnn::data {
namespace {

constexpr int64_t kFirstWebpChunk = 12, kMostWebpChunks = 1000;
constexpr int64_t kWebpExtended = 0x58385056, kWebpLossless = 0x4c385056,
                  kWebpLossy = 0x20385056;                          // "VP8X", "VP8L", "VP8 "
constexpr int64_t kWebpFrame = 0x464d4e41, kWebpExif = 0x46495845;  // "ANMF", "EXIF"
constexpr int64_t kWebpHasAnimation = 2, kWebpHasExif = 8;

/// Name, length, content, and a byte more where that is odd. One that is longer than the file ends with it.
struct WebpChunk {
  int64_t name = FileBytes::kEnd, content = 0, content_end = 0, end = 0;
};

WebpChunk webp_chunk(FileBytes& bytes, int64_t begin) {
  const int64_t length = bytes.little_endian(begin + 4, 4);
  if (length == FileBytes::kEnd) return {};
  const int64_t content = begin + 8, content_end = std::min(content + length, bytes.size());
  return {bytes.little_endian(begin, 4), content, content_end, content + length + length % 2};
}

/// Calls see(chunk) for what comes after the first until it returns false.
template <class See>
void for_each_webp_chunk(FileBytes& bytes, See see) {
  auto chunk = webp_chunk(bytes, kFirstWebpChunk);
  for (int64_t i = 0; i < kMostWebpChunks; ++i) {
    chunk = webp_chunk(bytes, chunk.end);
    if (chunk.name == FileBytes::kEnd || !see(chunk)) return;
  }
}

bool is_animation(FileBytes& bytes) {
  const auto first = webp_chunk(bytes, kFirstWebpChunk);
  return first.name == kWebpExtended && (bytes[first.content] & kWebpHasAnimation) != 0;
}

void append(std::vector<uint8_t>& file, std::string_view text) {
  file.insert(file.end(), text.begin(), text.end());
}

void append(std::vector<uint8_t>& file, int64_t number) {
  for (int shift = 0; shift < 32; shift += 8) file.push_back(static_cast<uint8_t>(number >> shift));
}

}  // namespace

ImageHeader webp_header(FileBytes& bytes) {
  ImageHeader header{.kind = ImageKind::webp, .end = bytes.little_endian(4, 4) + 8};
  const auto first = webp_chunk(bytes, kFirstWebpChunk);
  const auto number = [&](int64_t place, int count) {
    const int64_t value = bytes.little_endian(first.content + place, count);
    if (value == FileBytes::kEnd) throw damaged_header(bytes, "WebP");
    return value;
  };
  int64_t flags = 0;
  if (first.name == kWebpExtended) {
    header.size = {.height = number(7, 3) + 1, .width = number(4, 3) + 1};
    flags = number(0, 1);
  } else if (first.name == kWebpLossless && number(0, 1) == 0x2f) {
    const int64_t sides = number(1, 4);
    header.size = {.height = (sides >> 14 & 0x3fff) + 1, .width = (sides & 0x3fff) + 1};
  } else if (first.name == kWebpLossy && number(3, 3) == 0x2a019d) {
    header.size = {.height = number(8, 2) & 0x3fff, .width = number(6, 2) & 0x3fff};
  } else {
    throw damaged_header(bytes, "WebP");
  }
  if ((flags & (kWebpHasAnimation | kWebpHasExif)) == 0) return header;
  int64_t frames = 0;
  for_each_webp_chunk(bytes, [&](const WebpChunk& chunk) {
    if (chunk.name == kWebpFrame) ++frames;
    if (chunk.name == kWebpExif)
      header.orientation = exif_orientation(bytes, chunk.content, chunk.content_end);
    return chunk.name != kWebpExif && (frames < 2 || (flags & kWebpHasExif) != 0);
  });
  header.several = frames > 1;
  return header;
}

std::optional<WebpFrame> first_webp_frame(FileBytes& bytes) {
  if (!is_animation(bytes)) return std::nullopt;
  constexpr int64_t kFrameHeader = 16, kHasAlpha = 0x10;
  std::optional<WebpFrame> frame;
  for_each_webp_chunk(bytes, [&](const WebpChunk& chunk) {
    if (chunk.name != kWebpFrame) return true;
    const auto content = bytes.all();
    if (chunk.content_end - chunk.content < kFrameHeader) return false;
    const auto number = [&](int64_t place, int count) {
      return bytes.little_endian(chunk.content + place, count);
    };
    const auto pictures =
        content.subspan(static_cast<size_t>(chunk.content + kFrameHeader),
                        static_cast<size_t>(chunk.content_end - chunk.content - kFrameHeader));
    frame = WebpFrame{.size = {.height = number(9, 3) + 1, .width = number(6, 3) + 1},
                      .left = 2 * number(0, 3),
                      .top = 2 * number(3, 3)};
    auto& file = frame->file;
    constexpr int64_t kHeaderChunk = 10;
    append(file, "RIFF");
    append(file, 4 + 8 + kHeaderChunk + std::ssize(pictures));
    append(file, "WEBPVP8X");
    append(file, kHeaderChunk);
    append(file, kHasAlpha);  // which the frame may have
    for (int64_t place = 6; place < 12; ++place)
      file.push_back(static_cast<uint8_t>(bytes[chunk.content + place]));
    file.insert(file.end(), pictures.begin(), pictures.end());
    return false;
  });
  if (!frame)
    throw file_error(bytes.file(),
                     "is damaged: it is an animation without a frame; copy it again or remove it");
  return frame;
}

}  // namespace rcnn::data
