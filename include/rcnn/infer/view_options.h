#pragma once

#include <cstdint>
#include <vector>

namespace rcnn {

/// Several looks at one image, whose detections become one list by the model's own NMS: test-time
/// augmentation, and tiles for images far larger than what the model was trained on. Time grows with their
/// number.
struct ViewOptions {
  bool flip = false;                    ///< each view mirrored, too
  std::vector<int64_t> min_sizes = {};  ///< network's shorter sides; empty: the model's own
  /// Side in pixels of the squares that a larger image is cut into, and seen whole besides; 0 for none.
  int64_t tile = 0;
  double overlap = 0.2;  ///< share of a tile that neighbours have in common at least: 0 to 0.9

  bool operator==(const ViewOptions&) const = default;
};

}  // namespace rcnn
