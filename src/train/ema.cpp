#include <algorithm>

#include <torch/torch.h>

#include <rcnn/train/ema.h>

namespace rcnn::train {

Ema::Ema(const torch::nn::Module& module, double decay) : decay_(decay) {
  for (const auto& parameter : module.parameters()) {
    if (parameter.requires_grad()) values_.push_back(parameter.detach());
  }
  for (const auto& buffer : module.buffers()) {
    if (buffer.is_floating_point()) values_.push_back(buffer.detach());
  }
  for (const auto& value : values_) averages_.push_back(value.clone());
}

void Ema::update() {
  if (values_.empty()) return;
  const auto n = static_cast<double>(++updates_);
  at::_foreach_lerp_(averages_, values_, at::Scalar(1 - std::min(decay_, (1 + n) / (10 + n))));
}

void Ema::swap() {
  for (size_t i = 0; i < values_.size(); ++i) {
    const auto value = values_[i].clone();
    values_[i].copy_(averages_[i]);
    averages_[i].copy_(value);
  }
}

}  // namespace rcnn::train
