#pragma once

#include <cstdlib>
#include <string>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/problems.h>

#include "data/images/remarks.h"

namespace rcnn::data {

/// Whether an image is of the size that its annotations state at `where`, which may be that of none (0, and
/// with a warning less). Boxes are in pixels, so that a pixel more or less a side is but a warning; of any
/// other size the image is a bad one, and `problems` gets it.
inline bool has_stated_size(const ImageInfo& info, ImageSize stated, const std::string& where,
                            Policy bad_images, Problems& problems) {
  constexpr int kFirstQuarterTurn = 5;
  const ImageSize size = info.size;
  if (stated == size) return true;
  const auto sizes = [&] {
    return fmt::format("{} ({} x {}, the image has {} x {})", where, stated.width, stated.height, size.width,
                       size.height);
  };
  if (stated.height <= 0 || stated.width <= 0) {
    if (stated.height < 0 || stated.width < 0)
      problems.warn("the annotations state a size below zero; the image's is taken", sizes());
    return true;
  }
  if (std::abs(stated.height - size.height) <= 1 && std::abs(stated.width - size.width) <= 1) {
    problems.warn("the annotations are of an image a pixel larger or smaller; the image's size is taken",
                  sizes());
    return true;
  }
  const bool exchanged = stated.height == size.width && stated.width == size.height;
  problems.bad(bad_images, "bad_images",
               exchanged && info.orientation >= kFirstQuarterTurn
                   ? "the annotations are of the image turned by its EXIF orientation; turn the stored pixels"
                   : "the annotations are of another size than the image",
               sizes());
  return false;
}

/// Warns of an image that programs would show otherwise than it is taken here, and of what is odd about its
/// file.
inline void warn_if_turned(const ImageInfo& info, const std::string& where, Problems& problems) {
  for (const auto& remark : info.remarks) {
    problems.warn(remark, where);
    mark_reported(remark);
  }
  if (info.orientation == 1) return;
  problems.warn("an image asks to be shown turned or flipped (EXIF); its pixels are taken as they are stored",
                where);
}

}  // namespace rcnn::data
