#include <torch/torch.h>

#include <rcnn/losses/smooth_l1.h>

namespace rcnn::losses {

at::Tensor smooth_l1(const at::Tensor& input, const at::Tensor& target, double beta) {
  if (beta == 0) return at::l1_loss(input, target, at::Reduction::Sum);
  return at::smooth_l1_loss(input, target, at::Reduction::Sum, beta);
}

}  // namespace rcnn::losses
