#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// Largest image that is decoded where nobody says otherwise, in millions of pixels.
inline constexpr int64_t kMaxMegapixels = 100;
/// The same for an image that is cut into tiles.
inline constexpr int64_t kMaxMegapixelsOfTiles = 1000;
/// The most that may be asked for.
inline constexpr int64_t kMostMegapixels = 1000;

/// Threads that read headers: they wait for the disk more than they work.
inline constexpr int64_t kHeaderReaders = 16;

/// Decodes an image file to uint8 [H, W, 3] RGB, contiguous on the CPU. The pixels are those of Pillow's
/// `Image.open(file).convert("RGB")`: grey is repeated, alpha is dropped, palettes and CMYK are converted;
/// but 16 bits are divided by 257, to the nearest, where Pillow clips or cuts them. Of several pages or
/// frames the first is taken. Pixels are taken as they are stored: orientation (EXIF's) is ignored, for boxes
/// of COCO and VOC refer to stored pixels, and torchvision and pycocotools do the same.
///
/// The kinds are JPEG, PNG, BMP, TIFF, WebP, JPEG 2000, PNM, PAM and Sun's raster, told by their content. The
/// size is read from the header first: an image of more than `max_megapixels` million pixels (1 to
/// kMostMegapixels), and a file of more bytes than such an image can have, is refused before anything is
/// decoded or read whole.
///
/// Throws DataError naming the file when it is missing, no image, a kind that is not read (GIF, HEIC), of
/// pixels that no byte can hold (float, signed), too large, cut off, or damaged as far as its decoder
/// notices: where a JPEG decoder would warn and fill with grey, this is an error. JPEG has no checksum: a
/// changed bit may just be another picture.
///
/// What is odd about a file whose pixels are whole (ImageInfo::remarks; spare bytes before a JPEG's end) is
/// logged as a warning, each kind once a process, with the first file.
RCNN_EXPORT at::Tensor read_image(const std::filesystem::path& file, int64_t max_megapixels = kMaxMegapixels);

/// What a file's header says.
struct ImageInfo {
  ImageSize size = {};  ///< of the pixels as they are stored, which read_image gives
  int orientation = 1;  ///< how EXIF (of a JPEG, PNG or WebP) or a TIFF wants it shown: 1 as stored, 2 to 8
                        ///< flipped or turned, from 5 on by a quarter
  std::vector<std::string> remarks =
      {};  ///< what is odd about the file, in the same words for each kind: several pages
};

/// Reads the head of an image and, where it says if the image is whole, its tail. Throws DataError for what
/// can be seen so: all that read_image refuses but damage inside of the data.
RCNN_EXPORT ImageInfo image_info(const std::filesystem::path& file, int64_t max_megapixels = kMaxMegapixels);

/// image_info of many files, by several threads: reading 100,000 headers is waiting for the disk. For each
/// file, in their order, what it says or the error.
RCNN_EXPORT std::vector<std::variant<ImageInfo, DataError>> image_infos(
    const std::vector<std::filesystem::path>& files, int64_t threads = kHeaderReaders,
    int64_t max_megapixels = kMaxMegapixels);

/// image_info(file, max_megapixels).size
RCNN_EXPORT ImageSize image_size(const std::filesystem::path& file, int64_t max_megapixels = kMaxMegapixels);

/// A JPEG is at most so many pixels wide and high.
inline constexpr int64_t kLargestJpegSide = 65'500;

/// Writes uint8 [H, W, 3] RGB as PNG or JPEG by the file's ending: all of it or, when something fails,
/// nothing. Throws DataError when the format cannot hold so large an image, io::WriteError when the disk
/// refuses.
RCNN_EXPORT void write_image(const std::filesystem::path& file, const at::Tensor& image);

/// "4.6.0"
RCNN_EXPORT std::string opencv_version();

}  // namespace rcnn::data
