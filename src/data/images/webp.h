#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/images/image_header.h"

namespace rcnn::data {

/// RIFF, whose first chunk says the size: a lossy picture's, a lossless one's, or that of the canvas.
ImageHeader webp_header(FileBytes& bytes);

/// The first frame of an animation as a file of its own, and where it lies on the canvas, which is black.
struct WebpFrame {
  std::vector<uint8_t> file = {};
  ImageSize size = {};
  int64_t left = 0, top = 0;
};

/// Nothing for what is no animation. Throws DataError for one without a frame.
std::optional<WebpFrame> first_webp_frame(FileBytes& bytes);

}  // namespace rcnn::data
