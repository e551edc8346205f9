#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/infer/view_options.h>
#include <rcnn/resize.h>
#include <rcnn/types.h>

namespace rcnn {

/// A part of an image as the network sees it.
struct View {
  int64_t x = 0, y = 0;    ///< of the part's upper left pixel in the image
  ImageSize part = {};     ///< in the image's pixels
  ImageSize network = {};  ///< what it is resized to
  bool flipped = false;    ///< then, left to right
  bool operator==(const View&) const = default;
};

/// The views of an image that `options` ask for: for each part (the whole image first, then the tiles, row by
/// row) and each scale one as it is and, with `flip`, one flipped. Without options there is one. Each part is
/// resized by min_size, max_size and `resize` as data::resized() says; for another min_size of the options
/// max_size changes by the same factor.
RCNN_EXPORT std::vector<View> views_of(ImageSize image, const ViewOptions& options, int64_t min_size,
                                       int64_t max_size, Resize resize = Resize::torchvision);

/// Throws DataError when one of an image's views has more than `max_megapixels` million pixels for the
/// network: before any memory is taken for it. The message names the image's size, the view's and what to
/// lower.
RCNN_EXPORT void check_views(ImageSize image, std::span<const View> views, int64_t max_megapixels);

/// The pixels of a view, uint8 [h, w, 3]: a part of the image's memory, which is copied only for a flip.
RCNN_EXPORT at::Tensor pixels_of(const at::Tensor& image, const View& view);

/// What each of an image's views is to look at, in its network pixels: float32 [P_v, 4] for each view.
///
/// boxes    float32 [P, 4], proposals in the image's pixels
/// views    of views_of()
/// returns  for each part of the image the proposals within it, clipped to it: those of a tile without the
/// ones
///          of which nothing lies in it. Of views of one part in several scales each proposal goes to the one
///          in which its area is nearest to 224 x 224 (Fast R-CNN's test in several scales; He et al. 2014,
///          SPPNet, section 4.1), flipped too where there is such a view.
RCNN_EXPORT std::vector<at::Tensor> proposals_of(const at::Tensor& boxes, std::span<const View> views,
                                                 ImageSize image);

/// What was found in a view, in network pixels, as boxes in the image's pixels, within the view's part. An
/// object that the border of a tile cuts off is seen whole in the next tile, if not in the whole image: what
/// touches a side of the part that is no side of the image, or comes as close to it as 1/100 of the part's
/// length, is left out.
RCNN_EXPORT Detections in_image(const Detections& found, const View& view, ImageSize image);

}  // namespace rcnn
