#include <cmath>

#include <torch/torch.h>

#include <rcnn/boxes/coder.h>

#include "boxes/box_checks.h"

namespace rcnn::boxes {
namespace {

const double kMaxLogScale = std::log(1000.0 / 16);

struct CentreForm {
  at::Tensor x, y, width, height;
};

CentreForm centre_form(const at::Tensor& boxes) {
  const auto corners = boxes.unbind(-1);
  const auto width = corners[2] - corners[0], height = corners[3] - corners[1];
  return {corners[0] + 0.5 * width, corners[1] + 0.5 * height, width, height};
}

at::Tensor limited(const at::Tensor& delta, BoxCoderOptions::Limit limit) {
  return limit == BoxCoderOptions::Limit::both ? delta.clamp(-kMaxLogScale, kMaxLogScale)
                                               : delta.clamp_max(kMaxLogScale);
}

}  // namespace

at::Tensor BoxCoder::encode(const at::Tensor& references, const at::Tensor& boxes) const {
  check_boxes("encode", "references", references);
  check_boxes("encode", "boxes", boxes);
  TORCH_CHECK(references.sizes() == boxes.sizes(), "encode: boxes: expected the references' shape ",
              references.sizes(), ", got ", boxes.sizes());
  const auto from = centre_form(references), to = centre_form(boxes);
  return at::stack(
      {weights_[0] * (to.x - from.x) / from.width, weights_[1] * (to.y - from.y) / from.height,
       weights_[2] * at::log(to.width / from.width), weights_[3] * at::log(to.height / from.height)},
      -1);
}

at::Tensor BoxCoder::decode(const at::Tensor& references, const at::Tensor& deltas) const {
  check_boxes("decode", "references", references);
  check_boxes("decode", "deltas", deltas);
  const auto from = centre_form(references);
  const auto delta = deltas.unbind(-1);
  const auto x = delta[0] / weights_[0] * from.width + from.x;
  const auto y = delta[1] / weights_[1] * from.height + from.y;
  if (convention_ == Convention::pixels) {
    const auto half_width = 0.5 * (at::exp(delta[2] / weights_[2]) * from.width);
    const auto half_height = 0.5 * (at::exp(delta[3] / weights_[3]) * from.height);
    return at::stack({x - half_width, y - half_height, x + half_width + 1, y + half_height + 1}, -1);
  }
  const auto half_width = 0.5 * (at::exp(limited(delta[2] / weights_[2], limit_)) * from.width);
  const auto half_height = 0.5 * (at::exp(limited(delta[3] / weights_[3], limit_)) * from.height);
  return at::stack({x - half_width, y - half_height, x + half_width, y + half_height}, -1);
}

}  // namespace rcnn::boxes
