#include <torch/torch.h>

#include <rcnn/nn/necks/neck.h>

namespace rcnn::nn {

Features NeckImpl::extract(const at::Tensor& images, BackboneImpl& body) {
  return {.maps = forward(body.forward(images))};
}

}  // namespace rcnn::nn
