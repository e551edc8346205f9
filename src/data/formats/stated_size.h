#pragma once

#include <string>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/problems.h>

namespace rcnn::data {

/// Whether an image has the size that its annotations state at `where`; otherwise it is a bad one, and
/// `problems` gets it.
inline bool has_stated_size(const ImageInfo& info, ImageSize stated, const std::string& where,
                            Policy bad_images, Problems& problems) {
  const ImageSize size = info.size;
  if (stated == size) return true;
  const bool turned = stated.height == size.width && stated.width == size.height;
  problems.bad(bad_images,
               turned
                   ? "the annotations are of the image turned by its EXIF orientation; turn the stored pixels"
                   : "the annotations are of the image at another size",
               fmt::format("{} ({} x {}, the image has {} x {})", where, stated.width, stated.height,
                           size.width, size.height));
  return false;
}

/// Warns of an image that programs would show otherwise than it is taken here.
inline void warn_if_turned(const ImageInfo& info, const std::string& where, Problems& problems) {
  if (info.orientation == 1) return;
  problems.warn("an image asks to be shown turned or flipped (EXIF); its pixels are taken as they are stored",
                where);
}

}  // namespace rcnn::data
