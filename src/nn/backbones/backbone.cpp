#include <torch/torch.h>

#include <rcnn/nn/backbones/backbone.h>

namespace rcnn::nn {

void BackboneImpl::take_feedback(int64_t) {
  TORCH_CHECK(false, name(), " takes no feedback");
}

std::vector<at::Tensor> BackboneImpl::forward_with(const at::Tensor&, const std::vector<at::Tensor>&) {
  TORCH_CHECK(false, name(), " takes no feedback");
}

}  // namespace rcnn::nn
