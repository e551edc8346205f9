#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/image.h>

#include "data/mat.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxPixels = 100'000'000;

DataError error(const fs::path& file, std::string_view what) {
  return DataError(fmt::format("{}: {}", file.string(), what));
}

std::ifstream open(const fs::path& file) {
  std::error_code failure;
  const fs::file_status status = fs::status(file, failure);
  if (!fs::exists(status)) throw error(file, failure.message());
  if (!fs::is_regular_file(status)) throw error(file, "is no regular file; an image file is expected");
  if (fs::file_size(file, failure) == 0) throw error(file, "is empty");
  std::ifstream in(file, std::ios::binary);
  if (!in) throw error(file, std::strerror(errno));
  return in;
}

int64_t big_endian(std::istream& in, int bytes) {
  int64_t value = 0;
  for (; bytes > 0; --bytes) value = value << 8 | (in.get() & 0xff);
  return value;
}

/// A JPEG is a chain of markers, each 0xff and its kind, most of them with a length and that much content.
enum Marker { kEndOfFile = -1, kTemporary = 0x01, kStart = 0xd8, kEnd = 0xd9, kFrame = 0xc0 };

/// The next marker; whatever else lies before it is passed over: fill bytes, and compressed data with its
/// stuffed zeros and restart markers.
int next_marker(std::istream& in) {
  for (int byte = in.get(); byte != kEndOfFile; byte = in.get()) {
    if (byte != 0xff) continue;
    while (byte == 0xff) byte = in.get();
    const bool data = byte == 0 || (byte >= 0xd0 && byte <= 0xd7);
    if (!data) return byte;
  }
  return kEndOfFile;
}

void skip_content(std::istream& in) {
  in.seekg(std::max<int64_t>(big_endian(in, 2) - 2, 0), std::ios::cur);
}

/// Nothing when the file ends before it says its size.
std::optional<ImageSize> jpeg_size(std::istream& in) {
  in.seekg(2);
  for (int marker = next_marker(in); marker != kEnd && marker != kEndOfFile; marker = next_marker(in)) {
    const bool other =
        marker == 0xc4 || marker == 0xc8 || marker == 0xcc;  // Huffman tables, reserved, arithmetic
    if ((marker & 0xf0) == kFrame && !other) {
      in.seekg(3, std::ios::cur);
      const int64_t height = big_endian(in, 2);
      const int64_t width = big_endian(in, 2);
      if (!in) return std::nullopt;
      return ImageSize{height, width};
    }
    if (marker != kStart && marker != kTemporary) skip_content(in);
  }
  return std::nullopt;
}

/// Whether the end marker is there; bytes may follow it. Thumbnails, which have one too, lie inside of
/// contents.
bool jpeg_is_complete(std::istream& in) {
  in.clear();
  in.seekg(-2, std::ios::end);
  if (big_endian(in, 2) == 0xffd9) return true;
  in.clear();
  in.seekg(2);
  for (int marker = next_marker(in); marker != kEndOfFile; marker = next_marker(in)) {
    if (marker == kEnd) return true;
    if (marker != kStart && marker != kTemporary) skip_content(in);
  }
  return false;
}

void check_size(const fs::path& file, ImageSize size) {
  if (size.height > 0 && size.width > kMaxPixels / size.height) {
    throw error(file, fmt::format("{} x {} pixels are more than {} megapixels; make it smaller", size.width,
                                  size.height, kMaxPixels / 1'000'000));
  }
}

/// What the first bytes tell without decoding; nothing for kinds other than JPEG and PNG.
std::optional<ImageSize> check_header(const fs::path& file, std::istream& in) {
  constexpr std::array<char, 8> kPng = {'\x89', 'P', 'N', 'G', '\r', '\n', '\x1a', '\n'};
  std::array<char, 8> head{};
  in.read(head.data(), head.size());
  in.clear();

  std::optional<ImageSize> size;
  if (head[0] == '\xff' && head[1] == '\xd8') {
    size = jpeg_size(in);
    if (!size || !jpeg_is_complete(in)) {
      throw error(file, "is cut off: its JPEG data ends early; copy it again or remove it");
    }
  } else if (head == kPng) {
    in.seekg(16);
    size.emplace();
    size->width = big_endian(in, 4);
    size->height = big_endian(in, 4);
    if (!in) throw error(file, "is cut off: its PNG header ends early; copy it again or remove it");
  }
  if (size) check_size(file, *size);
  return size;
}

cv::Mat decode(const fs::path& file, std::istream& in) {
  try {
    if (!cv::haveImageReader(file.string())) {
      throw error(file, "is no image of a kind that can be read; convert it to JPEG or PNG");
    }
    in.clear();
    in.seekg(0, std::ios::end);
    std::vector<uchar> bytes(static_cast<size_t>(in.tellg()));
    in.seekg(0);
    if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
      throw error(file, std::strerror(errno));
    cv::Mat image = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    if (image.empty()) throw error(file, "cannot be decoded; it is damaged or cut off");
    check_size(file, {image.rows, image.cols});
    return image;
  } catch (const cv::Exception& failure) {
    throw error(file, fmt::format("cannot be decoded: {}", failure.err));
  }
}

}  // namespace

ImageSize image_size(const fs::path& file) {
  std::ifstream in = open(file);
  if (const auto size = check_header(file, in)) return *size;
  const cv::Mat image = decode(file, in);
  return {image.rows, image.cols};
}

at::Tensor read_image(const fs::path& file) {
  std::ifstream in = open(file);
  check_header(file, in);
  const cv::Mat image = decode(file, in);
  at::Tensor rgb = empty_image({image.rows, image.cols});
  cv::cvtColor(image, as_mat(rgb), cv::COLOR_BGR2RGB);
  return rgb;
}

void write_image(const fs::path& file, const at::Tensor& image) {
  std::string ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  if (ending != ".png" && ending != ".jpg" && ending != ".jpeg") {
    throw error(file, "images are written as .png, .jpg or .jpeg");
  }
  const at::Tensor rgb = image.contiguous();
  cv::Mat bgr;
  cv::cvtColor(as_mat(rgb), bgr, cv::COLOR_RGB2BGR);
  std::vector<uchar> bytes;
  cv::imencode(ending, bgr, bytes);  // a JPEG of quality 95 unless told otherwise
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw error(file, fmt::format("cannot be written: {}", std::strerror(errno)));
}

std::string opencv_version() {
  return CV_VERSION;
}

}  // namespace rcnn::data
