#include <torch/torch.h>

#include <rcnn/losses/smooth_l1.h>

namespace rcnn::losses {

at::Tensor smooth_l1(const at::Tensor& input, const at::Tensor& target, double beta, int64_t reduction) {
  // Of other shapes LibTorch would make one, and of a target [4] a wrong sum.
  TORCH_CHECK(input.sizes() == target.sizes(), "smooth_l1: target: expected the input's shape ",
              input.sizes(), ", got ", target.sizes());
  TORCH_CHECK(beta >= 0, "smooth_l1: beta: expected 0 or more, got ", beta);
  if (beta == 0) return at::l1_loss(input, target, reduction);
  return at::smooth_l1_loss(input, target, reduction, beta);
}

}  // namespace rcnn::losses
