#pragma once

#include <array>

#include <ATen/core/Tensor.h>

#include <rcnn/boxes/convention.h>
#include <rcnn/export.h>

namespace rcnn::boxes {

/// How deltas are scaled.
struct BoxCoderOptions {
  /// Deltas are multiplied by these: (1, 1, 1, 1) in the RPN, (10, 10, 5, 5) in the RoI head, which is the
  /// paper's division by standard deviations (.1, .1, .2, .2).
  std::array<double, 4> weights = {1, 1, 1, 1};
  Convention convention = Convention::edges;
  /// Where dw and dh are limited before exp: at log(1000 / 16) alone (torchvision, detectron2), or at its
  /// negative too (mmdetection's wh_ratio_clip), so that a box has a sixty-second part of its reference's
  /// side at least.
  enum class Limit { above, both } limit = Limit::above;
};

/// Boxes as offsets from reference boxes (Faster R-CNN, equation 2): dx = (x - xr) / wr, dy likewise,
/// dw = log(w / wr), dh likewise, with x, y the centres. Other shapes and types are a c10::Error.
class RCNN_EXPORT BoxCoder {
 public:
  explicit BoxCoder(const BoxCoderOptions& options = {})
      : weights_(options.weights), convention_(options.convention), limit_(options.limit) {}

  /// The deltas that lead from `references` to `boxes`; both float [..., 4] of the same shape, sides
  /// positive.
  at::Tensor encode(const at::Tensor& references, const at::Tensor& boxes) const;

  /// The boxes that `deltas` lead to. Both float [..., 4] and broadcast against each other: [N, C, 4] deltas
  /// with [N, 1, 4] references give class-wise boxes. dw and dh are limited, see BoxCoderOptions::Limit, so
  /// that an untrained layer cannot overflow. Differentiable.
  ///
  /// By Convention::pixels nothing is limited, and x2 and y2 are one pixel more than what was encoded, as in
  /// py-faster-rcnn; sides may be infinite, until clip().
  at::Tensor decode(const at::Tensor& references, const at::Tensor& deltas) const;

  Convention convention() const { return convention_; }

 private:
  std::array<double, 4> weights_;
  Convention convention_;
  BoxCoderOptions::Limit limit_;
};

}  // namespace rcnn::boxes
