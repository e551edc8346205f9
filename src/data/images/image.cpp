#include <algorithm>
#include <climits>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>

#include "data/images/file_bytes.h"
#include "data/images/image_header.h"
#include "data/images/jpeg.h"
#include "data/images/jpeg_header.h"
#include "data/images/mat.h"
#include "data/images/tiff.h"
#include "data/loading/for_all.h"
#include "io/files/atomic_writer.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRaise = "raise the bound (data.max_megapixels in a config, --max-megapixels)";

/// No kind of image takes more bytes a pixel, and what lies beside the pixels is below the rest.
int64_t most_bytes(int64_t pixels) {
  constexpr int64_t kOfAPixel = 16, kBeside = 64'000'000;
  return kBeside + kOfAPixel * pixels;
}

void check_size(const fs::path& file, ImageSize size, int64_t max_megapixels) {
  if (size.height < 1 || size.width < 1) {
    throw file_error(file,
                     fmt::format("is damaged: its header says {} x {} pixels; copy it again or remove it",
                                 size.width, size.height));
  }
  if (size.width > max_megapixels * 1'000'000 / size.height) {
    throw file_error(file, fmt::format("{} x {} pixels are more than {} megapixels; make it smaller, or {}",
                                       size.width, size.height, max_megapixels, kRaise));
  }
}

/// The header of an image whose size is within the bound, and whose file is not larger than such an image's
/// can be: all that may be known before the file is read whole.
ImageHeader bounded_header(FileBytes& bytes, int64_t max_megapixels) {
  TORCH_CHECK(max_megapixels > 0 && max_megapixels <= kMostMegapixels, "max_megapixels: expected 1 to ",
              kMostMegapixels, ", got ", max_megapixels);
  const auto check_bytes = [&](int64_t pixels, const std::string& what) {
    if (bytes.size() <= most_bytes(pixels)) return;
    throw file_error(bytes.file(), fmt::format("has {} bytes, more than {}; it is no image, or a damaged one",
                                               bytes.size(), what));
  };
  check_bytes(max_megapixels * 1'000'000, fmt::format("an image of {} megapixels takes", max_megapixels));
  const auto header = read_image_header(bytes);
  if (!header) {
    throw file_error(bytes.file(), "is no image of a kind that can be read; convert it to JPEG or PNG");
  }
  check_size(bytes.file(), header->size, max_megapixels);
  // A TIFF may hold many images, of which the first one counts.
  const auto& [height, width] = header->size;
  if (header->kind != ImageKind::tiff)
    check_bytes(width * height, fmt::format("its {} x {} pixels take", width, height));
  return *header;
}

/// Throws DataError for a file that is too short for what its header promises.
void check_end(FileBytes& bytes, const ImageHeader& header) {
  if (header.kind == ImageKind::jpeg && !is_complete_jpeg(bytes)) throw jpeg_ends_early(bytes);
  if (header.end > bytes.size()) {
    throw file_error(bytes.file(), "is cut off: its pixels end early; copy it again or remove it");
  }
}

/// What libjpeg does not decode; BGR.
cv::Mat decode_other(FileBytes& bytes, ImageSize size) {
  const fs::path& file = bytes.file();
  if (bytes.size() > INT_MAX) throw file_error(file, "has more than 2 GB; convert it to JPEG or PNG");
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
    if (image.empty()) throw file_error(file, "cannot be decoded; it is damaged or cut off");
    if (ImageSize{image.rows, image.cols} != size) {
      throw file_error(file, "is damaged: it says two sizes; copy it again or remove it");
    }
    return image;
  } catch (const cv::Exception& failure) {
    throw file_error(file, fmt::format("cannot be decoded; it is damaged: {}", failure.err));
  }
}

}  // namespace

ImageInfo image_info(const fs::path& file, int64_t max_megapixels) {
  FileBytes bytes(file);
  const auto header = bounded_header(bytes, max_megapixels);
  check_end(bytes, header);
  return {.size = header.size, .orientation = header.orientation};
}

std::vector<std::variant<ImageInfo, DataError>> image_infos(const std::vector<fs::path>& files,
                                                            int64_t threads, int64_t max_megapixels) {
  TORCH_CHECK(threads > 0, "image_infos: ", threads, " threads");
  std::vector<std::variant<ImageInfo, DataError>> infos(files.size());
  for_all(std::ssize(files), threads, [&](int64_t i) {
    const auto place = static_cast<size_t>(i);
    try {
      infos[place] = image_info(files[place], max_megapixels);
    } catch (const DataError& error) {
      infos[place] = error;
    }
  });
  return infos;
}

ImageSize image_size(const fs::path& file, int64_t max_megapixels) {
  return image_info(file, max_megapixels).size;
}

at::Tensor read_image(const fs::path& file, int64_t max_megapixels) {
  FileBytes bytes(file);
  const auto header = bounded_header(bytes, max_megapixels);
  bytes.all();  // before its end is looked for, so that the file is read once
  check_end(bytes, header);
  if (header.kind == ImageKind::jpeg) return decode_jpeg(bytes, header.size);
  const cv::Mat image = decode_other(bytes, header.size);
  at::Tensor rgb = empty_image(header.size);
  cv::cvtColor(image, as_mat(rgb), cv::COLOR_BGR2RGB);
  return rgb;
}

void write_image(const fs::path& file, const at::Tensor& image) {
  const auto ending = lower(file.extension().string());
  if (ending != ".png" && ending != ".jpg" && ending != ".jpeg") {
    throw file_error(file, "images are written as .png, .jpg or .jpeg");
  }
  const auto refuse = [&](const char* advice) {
    return file_error(file, fmt::format("an image of {} x {} pixels is too large for this format{}",
                                        image.size(1), image.size(0), advice));
  };
  if (ending != ".png" && std::max(image.size(0), image.size(1)) > kLargestJpegSide) {
    throw refuse("; name a .png file");
  }
  const at::Tensor rgb = image.contiguous();
  cv::Mat bgr;
  cv::cvtColor(as_mat(rgb), bgr, cv::COLOR_RGB2BGR);
  std::vector<uchar> bytes;
  try {
    if (!cv::imencode(ending, bgr, bytes)) throw refuse("");  // a JPEG of quality 95 unless told otherwise
  } catch (const cv::Exception&) {
    throw refuse("");
  }
  io::AtomicWriter writer(file, bytes.size());
  writer.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  writer.commit_unsynced();
}

std::string opencv_version() {
  return CV_VERSION;
}

}  // namespace rcnn::data
