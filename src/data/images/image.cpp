#include <algorithm>
#include <climits>
#include <span>
#include <string>
#include <vector>

#include <ATen/ops/zeros.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>

#include "data/images/file_bytes.h"
#include "data/images/image_header.h"
#include "data/images/jpeg.h"
#include "data/images/jpeg_header.h"
#include "data/images/mat.h"
#include "data/images/pnm.h"
#include "data/images/remarks.h"
#include "data/images/tiff.h"
#include "data/images/webp.h"
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
  auto header = read_image_header(bytes);
  check_size(bytes.file(), header.size, max_megapixels);
  // Of many images in a file the first one counts.
  const auto& [height, width] = header.size;
  if (header.kind != ImageKind::tiff && !header.several)
    check_bytes(width * height, fmt::format("its {} x {} pixels take", width, height));
  return header;
}

/// Throws DataError for a file that is too short for what its header promises.
void check_end(FileBytes& bytes, const ImageHeader& header) {
  if (header.kind == ImageKind::jpeg && !is_complete_jpeg(bytes)) throw jpeg_ends_early(bytes);
  if (header.end > bytes.size()) {
    throw file_error(bytes.file(), "is cut off: its pixels end early; copy it again or remove it");
  }
}

/// By OpenCV, of the size that it must have; BGR, 8 bits.
cv::Mat decode_bgr(const fs::path& file, std::span<const uint8_t> data, ImageSize size) {
  if (data.size() > INT_MAX) throw file_error(file, "has more than 2 GB; convert it to JPEG or PNG");
  try {
    const cv::_InputArray array(data.data(), static_cast<int>(data.size()));
    cv::Mat image =
        cv::imdecode(array, cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH | cv::IMREAD_IGNORE_ORIENTATION);
    if (image.empty()) throw file_error(file, "cannot be decoded; it is damaged or cut off");
    if (ImageSize{image.rows, image.cols} != size) {
      throw file_error(file, "is damaged: it says two sizes; copy it again or remove it");
    }
    constexpr double kOf16Bits = 1.0 / 257;  // 65535 / 255; OpenCV itself would take the upper byte
    if (image.depth() == CV_16U) image.convertTo(image, CV_8U, kOf16Bits);
    TORCH_CHECK(image.type() == CV_8UC3, file.string(), ": OpenCV gives pixels of an unknown kind");
    return image;
  } catch (const cv::Exception& failure) {
    throw file_error(file, fmt::format("cannot be decoded; it is damaged: {}", failure.err));
  }
}

/// By OpenCV, of a kind that it reads as Pillow does.
at::Tensor decode_other(const fs::path& file, std::span<const uint8_t> data, ImageSize size) {
  const cv::Mat bgr = decode_bgr(file, data, size);
  at::Tensor rgb = empty_image(size);
  cv::cvtColor(bgr, as_mat(rgb), cv::COLOR_BGR2RGB);
  return rgb;
}

/// Of an animation the first frame: OpenCV reads none of it.
at::Tensor decode_webp(FileBytes& bytes, ImageSize canvas) {
  const auto first = first_webp_frame(bytes);
  if (!first) return decode_other(bytes.file(), bytes.all(), canvas);
  const auto& [file, size, left, top] = *first;
  if (left + size.width > canvas.width || top + size.height > canvas.height)
    throw file_error(bytes.file(),
                     "is damaged: a frame lies outside of the image; copy it again or remove it");
  const auto frame = decode_other(bytes.file(), file, size);
  if (size == canvas) return frame;
  at::Tensor image = at::zeros({canvas.height, canvas.width, 3}, at::kByte);
  image.narrow(0, top, size.height).narrow(1, left, size.width).copy_(frame);
  return image;
}

at::Tensor decode(FileBytes& bytes, const ImageHeader& header) {
  switch (header.kind) {
    case ImageKind::jpeg:
      return decode_jpeg(bytes, header.size);
    case ImageKind::tiff:
      return decode_tiff(bytes, header.size);
    case ImageKind::webp:
      return decode_webp(bytes, header.size);
    case ImageKind::pnm:
      return decode_pnm(bytes);
    default:
      return decode_other(bytes.file(), bytes.all(), header.size);
  }
}

}  // namespace

ImageInfo image_info(const fs::path& file, int64_t max_megapixels) {
  FileBytes bytes(file);
  const auto header = bounded_header(bytes, max_megapixels);
  check_end(bytes, header);
  ImageInfo info{.size = header.size, .orientation = header.orientation};
  if (header.several) info.remarks.emplace_back(kSeveralImages);
  return info;
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
  if (header.several) remark(file, kSeveralImages);
  return decode(bytes, header);
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
