#pragma once

#include <functional>
#include <span>
#include <vector>

#include <rcnn/boxes/anchors.h>
#include <rcnn/data/dataset.h>
#include <rcnn/export.h>
#include <rcnn/resize.h>

namespace rcnn::data {

/// One object to find, as training sees it.
struct ScaledBox {
  Box box;          ///< at network scale
  ImageSize image;  ///< network scale
  int64_t label = 0;
  int64_t record = 0;  ///< of the data set
};

/// The objects of a data set that are not ignored, at the scale that `min_size`, `max_size` and `resize`
/// give, not flipped, as a model of that convention sees them. See resized().
RCNN_EXPORT std::vector<ScaledBox> scaled_boxes(const Dataset& dataset, int64_t min_size, int64_t max_size,
                                                Resize resize = Resize::torchvision,
                                                boxes::Convention convention = boxes::Convention::edges);

/// Where anchors lie on an image.
struct AnchorMaps {
  std::vector<int64_t> strides;  ///< of the levels, finest first
  /// The sizes of the levels' maps for an image of this size (network scale) alone in its batch.
  std::function<std::vector<ImageSize>(ImageSize)> sizes;
  bool inside = false;  ///< only anchors that lie inside the image count
};

/// For each box the IoU with the anchor that fits it best, of all that boxes::AnchorGenerator makes for its
/// image; 0 where there is none. Exact, without looking at all cells: on each level and for each shape the
/// nearest cell along each side has the largest overlap.
RCNN_EXPORT std::vector<float> best_anchor_ious(std::span<const ScaledBox> boxes,
                                                const boxes::AnchorOptions& anchors, const AnchorMaps& maps);

/// As many sizes and ratios as `anchors` has, chosen for a larger mean of best_anchor_ious(): a coordinate
/// search over their logarithms from the present ones and from the boxes' own quantiles, on at most 5000
/// boxes drawn with a fixed seed. Sizes are whole pixels and ascend, ratios have two decimals and ascend; the
/// rest of the options stays as it is. Without boxes `anchors` is returned.
RCNN_EXPORT boxes::AnchorOptions better_anchors(std::span<const ScaledBox> boxes,
                                                const boxes::AnchorOptions& anchors, const AnchorMaps& maps);

}  // namespace rcnn::data
