#pragma once

namespace rcnn::boxes {

/// How a box is measured.
///
/// The codes of the Caffe era (R-CNN to py-faster-rcnn, and Detectron) write a box as its first and its last
/// pixel: that of one pixel has x1 = x2, and a box is x2 - x1 + 1 wide. Such boxes are kept as edges here,
/// with 1 added to their x2 and y2. Then width, area, centre, IoU, NMS, encoding and the filter by size are
/// one formula for both, and only these differ:
///  - decoding: py-faster-rcnn takes the decoded right edge for the last pixel, so that what was encoded
///    comes back with x2 + 1 and y2 + 1, and does not limit the growth of a box;
///  - clipping: first and last pixel to [0, width - 1], so that a box keeps one pixel at least;
///  - another scale: the numbers of the pixels are multiplied, so that what a box has beyond its last pixel's
///    number is one pixel of either scale, see trim();
///  - anchors: around the middle of a cell's pixels (7.5 of 0..15), their sides rounded before they are
///    scaled;
///  - RoI layers, which are given first and last pixel as they are, trim() too.
enum class Convention {
  edges,   ///< along continuous edges: torchvision, detectron2, mmdetection
  pixels,  ///< by the first and the last pixel: the Caffe era, in the form above
};

}  // namespace rcnn::boxes
