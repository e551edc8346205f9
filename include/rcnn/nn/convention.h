#pragma once

#include <vector>

#include <rcnn/boxes/convention.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// Key legacy [false] of a config's "model": whether it computes as py-faster-rcnn does (Ren et al. 2015, the
/// authors' Python code). Convention::pixels then goes through all of the model, and with it:
///  - pixels default to PixelOptions::caffe(), size_divisor to 1, and poolings round up;
///  - anchors are AnchorOptions' of that convention, a stride apart;
///  - proposals are filtered by size, in the image's own pixels, before the best are taken;
///  - layers that no weights are loaded into start as published (RpnHead, BoxPredictor);
///  - ignore regions do not count: difficult boxes are left out, and what lies in them is background.
///
/// A model with several maps has no such form. Differences that remain: NMS drops what overlaps by more than
/// the threshold (py-faster-rcnn's GPU kernel; its CPU code drops equal overlaps too); a ground truth that no
/// anchor overlaps makes none positive; and each axis has its own scale, as the sizes came out rounded.
RCNN_EXPORT boxes::Convention read_convention(const config::Node& model);

/// An image as its file has it and as the network sees it. Between the two py-faster-rcnn multiplies the
/// numbers of a box's first and last pixel. So a box of the image, brought to network scale as edges, keeps a
/// last pixel of the image's size, and one that was found on the network's own map a last pixel of 1 x 1.
struct RCNN_EXPORT Frame {
  ImageSize image;
  ImageSize network;

  /// What a pixel of the image measures at network scale.
  double pixel_width() const;
  double pixel_height() const;

  /// Boxes at network scale: from a last pixel of the image's to one of the network's, and back.
  at::Tensor to_network_pixels(const at::Tensor& boxes) const;
  at::Tensor to_image_pixels(const at::Tensor& boxes) const;
};

/// Those of a batch, for a model of Convention::pixels; none for one of edges, which needs no such thing.
RCNN_EXPORT std::vector<Frame> frames_of(const ImageBatch& images, boxes::Convention convention);

/// Ground truth without ignore regions, and with boxes of the network's pixels; without frames as it is.
RCNN_EXPORT std::vector<Target> to_network_pixels(const std::vector<Target>& targets,
                                                  const std::vector<Frame>& frames);

/// The same without ignore regions alone.
RCNN_EXPORT std::vector<Target> without_ignored(const std::vector<Target>& targets,
                                                const std::vector<Frame>& frames);

/// Boxes of the network's pixels, for each image, as boxes of the image's; without frames as they are. The
/// network's last pixel may lie beyond the image's: as in py-faster-rcnn, a proposal at the border may end
/// outside by less than a pixel of the image.
RCNN_EXPORT std::vector<at::Tensor> to_image_pixels(const std::vector<at::Tensor>& boxes,
                                                    const std::vector<Frame>& frames);

}  // namespace rcnn::nn
