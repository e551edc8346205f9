#include <torch/torch.h>

#include <rcnn/nn/necks/neck.h>

namespace rcnn::nn {

int64_t NeckImpl::size_divisor() const {
  return stride_for_rois(features());
}

Features NeckImpl::extract(const at::Tensor& images, BackboneImpl& body) {
  return {.maps = forward(body.forward(images))};
}

}  // namespace rcnn::nn
