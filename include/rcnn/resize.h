#pragma once

namespace rcnn {

/// Whose way of resizing images a network learnt with: what it makes of their pixels (nn/pixels.h) and to
/// which size (data::resized()).
enum class Resize {
  torchvision,  ///< torchvision's: bilinear on floats without antialiasing, after normalising
  pillow,       ///< detectron2's: PIL.Image.resize(BILINEAR) on bytes, which antialiases
  opencv,       ///< mmdetection's: cv2.resize(INTER_LINEAR) on bytes, without antialiasing
};

}  // namespace rcnn
