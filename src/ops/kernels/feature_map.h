#pragma once

#include <cstdint>

#include "ops/kernels/real.h"

namespace rcnn::ops::kernels {

/// Where cell (image, y, x) lies in a dense [images, channels, height, width] array of either memory format.
/// Channel c of that cell is c * channel_stride further.
struct CellLayout {
  int64_t channels, height, width;
  bool channels_last;

  RCNN_HOST_DEVICE int64_t channel_stride() const { return channels_last ? 1 : height * width; }
  RCNN_HOST_DEVICE int64_t cell_stride() const { return channels_last ? channels : 1; }
  RCNN_HOST_DEVICE int64_t offset(int64_t image, int64_t y, int64_t x) const {
    return image * channels * height * width + (y * width + x) * cell_stride();
  }
};

/// One element of such an array.
struct Element {
  int64_t image, channel, y, x;
};

/// Its `index`-th element in memory order.
RCNN_HOST_DEVICE inline Element element_at(const CellLayout& layout, int64_t index) {
  Element e;
  if (layout.channels_last) {
    e.channel = index % layout.channels, index /= layout.channels;
    e.x = index % layout.width, index /= layout.width;
    e.y = index % layout.height, e.image = index / layout.height;
  } else {
    e.x = index % layout.width, index /= layout.width;
    e.y = index % layout.height, index /= layout.height;
    e.channel = index % layout.channels, e.image = index / layout.channels;
  }
  return e;
}

}  // namespace rcnn::ops::kernels
