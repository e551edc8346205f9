#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/image.h>

#include "data/exif.h"
#include "data/file_bytes.h"
#include "data/for_all.h"
#include "data/jpeg.h"
#include "data/mat.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxPixels = 100'000'000;

void check_size(const fs::path& file, ImageSize size) {
  if (size.height < 1 || size.width < 1) {
    throw file_error(file,
                     fmt::format("is damaged: its header says {} x {} pixels; copy it again or remove it",
                                 size.width, size.height));
  }
  if (size.width > kMaxPixels / size.height) {
    throw file_error(file, fmt::format("{} x {} pixels are more than {} megapixels; make it smaller",
                                       size.width, size.height, kMaxPixels / 1'000'000));
  }
}

bool is_png(FileBytes& bytes) {
  return bytes.big_endian(0, 4) == 0x89504e47 && bytes.big_endian(4, 4) == 0x0d0a1a0a;
}

ImageInfo png_info(FileBytes& bytes) {
  const ImageSize size{bytes.big_endian(20, 4), bytes.big_endian(16, 4)};
  if (size.height == FileBytes::kEnd) {
    throw file_error(bytes.file(), "is cut off: its PNG header ends early; copy it again or remove it");
  }
  return {.size = size};
}

/// What can be told without decoding: nothing for kinds other than JPEG and PNG.
std::optional<ImageInfo> header(FileBytes& bytes) {
  std::optional<ImageInfo> info;
  if (is_jpeg(bytes)) info = jpeg_info(bytes);
  if (is_png(bytes)) info = png_info(bytes);
  if (info) check_size(bytes.file(), info->size);
  return info;
}

/// What libjpeg does not decode; BGR.
cv::Mat decode_other(FileBytes& bytes) {
  const fs::path& file = bytes.file();
  const auto orientation = find_orientation(bytes, 0, bytes.size());
  auto data = bytes.all();
  std::vector<uint8_t> upright;
  if (orientation.value != 1) {  // OpenCV turns a TIFF even if told not to: it must not see why
    upright.assign(data.begin(), data.end());
    const auto value = upright.begin() + orientation.offset;
    std::replace(value, value + 2, static_cast<uint8_t>(orientation.value), uint8_t{1});
    data = upright;
  }
  try {
    const cv::_InputArray array(data.data(), static_cast<int>(data.size()));
    cv::Mat image = cv::imdecode(array, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    if (image.empty()) {
      throw file_error(file, cv::haveImageReader(file.string())
                                 ? "cannot be decoded; it is damaged or cut off"
                                 : "is no image of a kind that can be read; convert it to JPEG or PNG");
    }
    check_size(file, {image.rows, image.cols});
    return image;
  } catch (const cv::Exception& failure) {
    throw file_error(file, fmt::format("cannot be decoded; it is damaged: {}", failure.err));
  }
}

}  // namespace

ImageInfo image_info(const fs::path& file) {
  FileBytes bytes(file);
  if (const auto info = header(bytes)) return *info;
  const cv::Mat image = decode_other(bytes);
  return {.size = {image.rows, image.cols}, .orientation = find_orientation(bytes, 0, bytes.size()).value};
}

std::vector<std::variant<ImageInfo, DataError>> image_infos(const std::vector<fs::path>& files,
                                                            int64_t threads) {
  TORCH_CHECK(threads > 0, "image_infos: ", threads, " threads");
  std::vector<std::variant<ImageInfo, DataError>> infos(files.size());
  for_all(std::ssize(files), threads, [&](int64_t i) {
    const auto place = static_cast<size_t>(i);
    try {
      infos[place] = image_info(files[place]);
    } catch (const DataError& error) {
      infos[place] = error;
    }
  });
  return infos;
}

ImageSize image_size(const fs::path& file) {
  return image_info(file).size;
}

at::Tensor read_image(const fs::path& file) {
  FileBytes bytes(file);
  bytes.all();  // before the header is looked at, so that the file is read once
  header(bytes);
  if (is_jpeg(bytes)) return decode_jpeg(bytes);
  const cv::Mat image = decode_other(bytes);
  at::Tensor rgb = empty_image({image.rows, image.cols});
  cv::cvtColor(image, as_mat(rgb), cv::COLOR_BGR2RGB);
  return rgb;
}

void write_image(const fs::path& file, const at::Tensor& image) {
  std::string ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  if (ending != ".png" && ending != ".jpg" && ending != ".jpeg") {
    throw file_error(file, "images are written as .png, .jpg or .jpeg");
  }
  const at::Tensor rgb = image.contiguous();
  cv::Mat bgr;
  cv::cvtColor(as_mat(rgb), bgr, cv::COLOR_RGB2BGR);
  std::vector<uchar> bytes;
  cv::imencode(ending, bgr, bytes);  // a JPEG of quality 95 unless told otherwise
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw file_error(file, fmt::format("cannot be written: {}", std::strerror(errno)));
}

std::string opencv_version() {
  return CV_VERSION;
}

}  // namespace rcnn::data
