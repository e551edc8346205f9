#include "data/images/image_header.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "data/images/jpeg_header.h"
#include "data/images/pnm_header.h"
#include "data/images/tiff_directory.h"
#include "data/images/webp.h"

namespace rcnn::data {
namespace {

using namespace std::string_view_literals;

constexpr int64_t kEnd = FileBytes::kEnd;

/// A width and a height of which one may be missing.
ImageSize size_of(const FileBytes& bytes, std::string_view kind, int64_t width, int64_t height) {
  if (width < 0 || height < 0) throw damaged_header(bytes, kind);
  return {.height = height, .width = width};
}

bool begins_with(FileBytes& bytes, std::string_view begin, int64_t offset = 0) {
  for (const char c : begin) {
    if (bytes[offset++] != static_cast<uint8_t>(c)) return false;
  }
  return true;
}

int64_t signed_32(int64_t value) {
  return static_cast<int32_t>(static_cast<uint32_t>(value));
}

ImageHeader jpeg_header(FileBytes& bytes) {
  const auto info = read_jpeg_header(bytes);
  if (!info) throw jpeg_ends_early(bytes);
  if (info->bits != 8) throw unread_pixels(bytes, fmt::format("{}-bit", info->bits));
  return {.kind = ImageKind::jpeg, .size = info->size, .orientation = info->orientation};
}

/// Windows' bitmap with its header of 40 bytes and more, or OS/2's of 12.
ImageHeader bmp_header(FileBytes& bytes) {
  constexpr int64_t kFileHeader = 14, kCore = 12, kBitFields = 3, kMostColors = 256;
  constexpr std::array<int64_t, 6> kBits = {1, 4, 8, 16, 24, 32};
  const int64_t data = bytes.little_endian(10, 4), header = bytes.little_endian(kFileHeader, 4);
  const bool core = header == kCore;
  const int field = core ? 2 : 4;
  int64_t width = bytes.little_endian(18, field), height = bytes.little_endian(18 + field, field);
  const int64_t bits = bytes.little_endian(20 + 2 * field, 2);
  const int64_t compression = core ? 0 : bytes.little_endian(30, 4);
  const int64_t colors = core ? 0 : bytes.little_endian(46, 4);
  const bool known = (core || header >= 36) && header <= bytes.size() - kFileHeader &&
                     std::ranges::find(kBits, bits) != kBits.end() && compression >= 0 &&
                     compression <= kBitFields && colors >= 0 && (bits > 8 || colors <= kMostColors);
  if (!known || width == kEnd || height == kEnd) throw damaged_header(bytes, "BMP");
  if (!core) {
    width = signed_32(width);
    height = std::abs(signed_32(height));  // below zero: the first row is the upper one
  }
  ImageHeader result{.kind = ImageKind::bmp, .size = size_of(bytes, "BMP", width, height)};
  const bool plain = compression == 0 || compression == kBitFields;
  if (plain) result.end = end_of_rows(data, (width * bits + 31) / 32 * 4, height);
  return result;
}

/// The file must reach to the end of the last strip or tile.
int64_t end_of_strips(TiffDirectory& directory, bool tiled) {
  constexpr int64_t kStrips = 273, kStripBytes = 279, kTiles = 324, kTileBytes = 325, kMost = 1 << 20;
  const auto offsets = directory.find(tiled ? kTiles : kStrips);
  const auto lengths = directory.find(tiled ? kTileBytes : kStripBytes);
  if (!offsets || !lengths || offsets->count != lengths->count || offsets->count > kMost) return 0;
  std::vector<int64_t> begins(static_cast<size_t>(offsets->count));
  for (size_t i = 0; i < begins.size(); ++i) begins[i] = directory.number(*offsets, static_cast<int64_t>(i));
  int64_t end = 0;
  for (size_t i = 0; i < begins.size(); ++i) {
    const int64_t length = directory.number(*lengths, static_cast<int64_t>(i));
    if (begins[i] < 0 || length < 0) return INT64_MAX;  // the lists themselves lie behind the end
    end = std::max(end, length > INT64_MAX - begins[i] ? INT64_MAX : begins[i] + length);
  }
  return end;
}

/// Refuses pixels that a decoder would take for others, or not at all.
void check_tiff_pixels(FileBytes& bytes, TiffDirectory& directory) {
  constexpr int64_t kBits = 258, kPhotometric = 262, kSampleFormat = 339;
  constexpr int64_t kSigned = 2, kFloat = 3, kComplexSigned = 5, kComplexFloat = 6;
  constexpr int64_t kMostSamples = 8, kCieLab = 8, kItuLab = 10, kLogLuv = 32844;
  constexpr std::array<int64_t, 5> kKnownBits = {1, 2, 4, 8, 16};
  const auto refuse = [&](std::string_view pixels) { throw unread_pixels(bytes, pixels); };
  const auto first = [&](int64_t tag, int64_t otherwise) {
    const auto field = directory.find(tag);
    return field ? directory.number(*field) : otherwise;
  };
  const int64_t format = first(kSampleFormat, 1), photometric = first(kPhotometric, 0),
                bits = first(kBits, 1);
  if (format == kFloat || format == kComplexFloat || photometric >= kLogLuv) refuse("float");
  if (format == kSigned || format == kComplexSigned) refuse("signed");
  if (photometric >= kCieLab && photometric <= kItuLab) refuse("L*a*b*");
  if (std::ranges::find(kKnownBits, bits) == kKnownBits.end()) refuse(fmt::format("{}-bit", bits));
  const auto all_bits = directory.find(kBits);
  const int64_t samples = all_bits ? std::min(all_bits->count, kMostSamples) : 1;
  for (int64_t i = 1; i < samples; ++i) {
    if (directory.number(*all_bits, i) != bits) refuse("mixed");
  }
}

ImageHeader tiff_header(FileBytes& bytes) {
  constexpr int64_t kWidth = 256, kHeight = 257, kTileWidth = 322, kTileHeight = 323;
  TiffDirectory directory(bytes, 0, bytes.size());
  const auto one = [&](int64_t tag) {
    const auto field = directory.find(tag);
    return field ? directory.number(*field) : kEnd;
  };
  ImageHeader header{.kind = ImageKind::tiff,
                     .size = size_of(bytes, "TIFF", one(kWidth), one(kHeight)),
                     .orientation = tiff_orientation(bytes, 0, bytes.size()),
                     .several = directory.has_next()};
  check_tiff_pixels(bytes, directory);
  const bool tiled = directory.find(kTileWidth).has_value();
  header.end = end_of_strips(directory, tiled);
  if (tiled) {  // A decoder has memory for a whole one, which may be larger than a small image.
    const auto tile = size_of(bytes, "TIFF", one(kTileWidth), one(kTileHeight));
    constexpr double kUsual = 2048, kPadding = 1024;
    const auto area = [](ImageSize size, double more) {
      return (static_cast<double>(size.width) + more) * (static_cast<double>(size.height) + more);
    };
    if (area(tile, 0) > std::max(kUsual * kUsual, area(header.size, kPadding)))
      throw damaged_header(bytes, "TIFF");
  }
  return header;
}

/// A JPEG 2000 codestream's marker SIZ (ISO 15444-1, A.5.1).
ImageHeader codestream_header(FileBytes& bytes, int64_t begin) {
  constexpr int64_t kStart = 0xff4fff51, kDicom = 0x4449434d, kComponents = 4;
  const auto number = [&](int64_t offset) { return bytes.big_endian(begin + offset, 4); };
  const int64_t components = bytes.big_endian(begin + 40, 2);
  if (bytes.big_endian(128, 4) == kDicom)
    throw damaged_header(bytes, "JPEG 2000");  // OpenCV would take it for that
  if (number(0) != kStart || components < 1 || components > kComponents)
    throw damaged_header(bytes, "JPEG 2000");
  const int64_t right = number(8), bottom = number(12), left = number(16), top = number(20);
  const int64_t tile_width = number(24), tile_height = number(28);
  const int64_t tile_left = number(32), tile_top = number(36);
  if (tile_width < 1 || tile_height < 1 || tile_left > left || tile_top > top)
    throw damaged_header(bytes, "JPEG 2000");
  ImageHeader header{.kind = ImageKind::jpeg2000,
                     .size = size_of(bytes, "JPEG 2000", right - left, bottom - top)};
  constexpr int64_t kFirstDepth = 42, kOfAComponent = 3, kSigned = 0x80;
  for (int64_t i = 0; i < components; ++i) {
    const int64_t depth = bytes.big_endian(begin + kFirstDepth + kOfAComponent * i, 1);
    if (depth == kEnd) break;  // the decoder will notice
    if ((depth & kSigned) != 0) throw unread_pixels(bytes, "signed");
    if (depth != 7 && depth != 15) throw unread_pixels(bytes, fmt::format("{}-bit", depth + 1));
  }
  // The decoder keeps some kilobytes of each tile: they must not be many more than the pixels are worth.
  constexpr int64_t kFreeTiles = 1024, kPixelsOfATile = 4096;
  const int64_t columns = (right - tile_left + tile_width - 1) / tile_width;
  const int64_t rows = (bottom - tile_top + tile_height - 1) / tile_height;
  const double pixels = static_cast<double>(header.size.width) * static_cast<double>(header.size.height);
  if (static_cast<double>(columns) * static_cast<double>(rows) > kFreeTiles + pixels / kPixelsOfATile) {
    throw damaged_header(bytes, "JPEG 2000");
  }
  return header;
}

/// Boxes, one of which is the codestream (ISO 15444-1, annex I).
ImageHeader jp2_header(FileBytes& bytes) {
  constexpr int64_t kStream = 0x6a703263, kLongLength = 1;  // "jp2c"
  constexpr int kMostBoxes = 1000;
  int64_t begin = 0;
  for (int box = 0; box < kMostBoxes; ++box) {
    int64_t length = bytes.big_endian(begin, 4), content = 8;
    if (length == kLongLength) {
      length = bytes.big_endian(begin + 8, 8);
      content = 16;
    }
    if (bytes.big_endian(begin + 4, 4) == kStream) return codestream_header(bytes, begin + content);
    if (length < content || length > bytes.size() - begin) break;
    begin += length;
  }
  throw damaged_header(bytes, "JPEG 2000");
}

/// What begins as none of the kinds that are read: by its name, if it is one that people have.
DataError unread_kind(FileBytes& bytes) {
  constexpr std::array<std::string_view, 4> kFloat = {"PF\n"sv, "Pf\n"sv, "#?R"sv,
                                                      "v/1\x01"sv};  // PFM, HDR, EXR
  for (const auto begin : kFloat) {
    if (begins_with(bytes, begin)) return unread_pixels(bytes, "float");
  }
  if (begins_with(bytes, "version https://git-lfs"sv)) {
    return file_error(bytes.file(), "is a pointer of Git LFS, not the image; fetch it: git lfs pull");
  }
  struct Unread {
    std::string_view begin;
    int64_t offset;
    std::string_view name;
  };
  constexpr std::array<Unread, 8> kUnread = {{{"GIF8"sv, 0, "GIF"},
                                              {"ftyphei"sv, 4, "HEIC"},
                                              {"ftypmif1"sv, 4, "HEIF"},
                                              {"ftypavif"sv, 4, "AVIF"},
                                              {"8BPS"sv, 0, "Photoshop file"},
                                              {"%PDF"sv, 0, "PDF"},
                                              {"<svg"sv, 0, "SVG"},
                                              {"\0\0\1\0"sv, 0, "icon"}}};
  for (const auto& [begin, offset, name] : kUnread) {
    if (begins_with(bytes, begin, offset))
      return file_error(
          bytes.file(),
          fmt::format("is a kind of image that is not read ({}); convert it to JPEG or PNG", name));
  }
  return file_error(bytes.file(), "is no image of a kind that can be read; convert it to JPEG or PNG");
}

ImageHeader sun_header(FileBytes& bytes) {
  return {.kind = ImageKind::sun,
          .size = size_of(bytes, "Sun raster", bytes.big_endian(4, 4), bytes.big_endian(8, 4))};
}

}  // namespace

int64_t end_of_rows(int64_t begin, int64_t bytes_of_a_row, int64_t rows) {
  if (begin < 0 || bytes_of_a_row < 0 || rows < 0) return INT64_MAX;
  return rows > 0 && bytes_of_a_row > (INT64_MAX - begin) / rows ? INT64_MAX : begin + bytes_of_a_row * rows;
}

DataError damaged_header(const FileBytes& bytes, std::string_view kind) {
  return file_error(
      bytes.file(),
      fmt::format("is damaged or cut off: its {} header makes no sense; copy it again or remove it", kind));
}

DataError unread_pixels(const FileBytes& bytes, std::string_view pixels) {
  return file_error(bytes.file(),
                    fmt::format("has {} pixels; convert it to 8 or 16 bits of grey or RGB", pixels));
}

ImageHeader read_image_header(FileBytes& bytes) {
  if (is_jpeg(bytes)) return jpeg_header(bytes);
  if (begins_with(bytes, "\x89PNG\r\n\x1a\n"sv)) return png_header(bytes);
  if (begins_with(bytes, "BM"sv)) return bmp_header(bytes);
  for (const auto begin : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv}) {
    if (begins_with(bytes, begin)) return tiff_header(bytes);
  }
  if (begins_with(bytes, "RIFF"sv) && begins_with(bytes, "WEBP"sv, 8)) return webp_header(bytes);
  if (begins_with(bytes, "\xff\x4f\xff\x51"sv)) return codestream_header(bytes, 0);
  if (begins_with(bytes, "\0\0\0\x0cjP  \r\n\x87\n"sv)) return jp2_header(bytes);
  if (begins_with(bytes, "\x59\xa6\x6a\x95"sv)) return sun_header(bytes);
  if (is_pnm(bytes)) return pnm_header(bytes);
  throw unread_kind(bytes);
}

}  // namespace rcnn::data
