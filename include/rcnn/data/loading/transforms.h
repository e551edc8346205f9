#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/data/dataset.h>
#include <rcnn/data/loading/color_jitter.h>
#include <rcnn/export.h>
#include <rcnn/resize.h>

namespace rcnn::data {

/// Large scale jitter (Ghiasi et al. 2021, "Simple copy-paste", section 3; torchvision's ScaleJitter and
/// FixedSizeCrop): an image is resized to fit into `size`, times a factor drawn evenly from [min, max], and
/// what is larger than `size` then is cut to it at a place drawn evenly.
struct ScaleJitterOptions {
  double min = 0.1;
  double max = 2;
  ImageSize size{1024, 1024};
};

/// What happens to an image and its boxes on their way to the network. What is not off depends on a seed:
/// each transform draws from a stream of its own, so that turning one on or off leaves the others' choices
/// alone.
struct TransformOptions {
  int64_t min_size = 800;                               ///< the shorter side after resizing ...
  int64_t max_size = 1333;                              ///< ... unless the longer one would pass this
  double flip = 0.0;                                    ///< probability of a horizontal flip
  std::vector<int64_t> min_sizes = {};                  ///< one is drawn for each image instead of min_size
  std::optional<ScaleJitterOptions> scale_jitter = {};  ///< instead of all these sizes
  ColorJitterOptions color_jitter = {};
  Resize resize = Resize::torchvision;  ///< whose rounding of sizes: the model's, nn::PixelOptions::resize
};

/// An image with its ground truth.
struct Sample {
  at::Tensor image;           ///< uint8 [H, W, 3] RGB, at its own scale: the network resizes it
  ImageSize size;             ///< network scale
  Target target;              ///< at network scale
  at::Tensor proposals = {};  ///< float32 [P, 4] at network scale; undefined where the record has none
};

/// float32 [N, 4] on the CPU.
RCNN_EXPORT at::Tensor to_tensor(std::span<const Box> boxes);

/// The size that an image of `size` is resized to: scaled by min(min_size / shorter, max_size / longer), each
/// side rounded down as torchvision does; or to the nearest, in double precision step by step as detectron2's
/// ResizeShortestEdge (pillow) or mmcv's rescale_size (opencv) do; but never to 0.
RCNN_EXPORT ImageSize resized(ImageSize size, int64_t min_size, int64_t max_size,
                              Resize resize = Resize::torchvision);

/// Chooses the network's size for an image, cuts it, moves its colours, flips it, and carries its boxes
/// along.
///
/// As the network resizes, a cut is made in the pixels as they are stored, at whole ones: its sides differ
/// from what the drawn factor asks for by up to half a pixel of the source, and the scale of each axis with
/// them; boxes go by the scale as it came out. Boxes are clipped to the cut, and one of which nothing is left
/// (no area) is dropped; slivers stay, as in torchvision and detectron2.
///
/// Ignored objects go to target.ignore. Proposals are carried along as boxes are. Random choices depend on
/// `seed` alone.
RCNN_EXPORT Sample transform(const at::Tensor& image, const Record& record, const TransformOptions& options,
                             uint64_t seed);

/// A record's boxes as transform() gives them where it changes nothing, at the image's own scale; the image
/// is undefined.
RCNN_EXPORT Sample boxes_of(const Record& record);

}  // namespace rcnn::data
