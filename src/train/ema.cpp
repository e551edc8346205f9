#include <algorithm>
#include <set>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/train/ema.h>

namespace rcnn::train {
namespace {

constexpr const char* kUpdates = "updates";

}  // namespace

Ema::Ema(const torch::nn::Module& module, double decay) : decay_(decay) {
  std::set<const at::TensorImpl*> seen;  // one may be registered under several names
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    if (!seen.insert(value.unsafeGetTensorImpl()).second) return;
    names_.push_back(name);
    values_.push_back(value.detach());
  };
  for (const auto& item : module.named_parameters()) {
    if (item.value().requires_grad()) add(item.key(), item.value());
  }
  for (const auto& item : module.named_buffers()) {
    if (item.value().is_floating_point()) add(item.key(), item.value());
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

std::map<std::string, at::Tensor> Ema::state() const {
  std::map<std::string, at::Tensor> state;
  for (size_t i = 0; i < names_.size(); ++i) state[names_[i]] = averages_[i];
  state[kUpdates] = at::scalar_tensor(updates_, at::kLong);
  return state;
}

void Ema::restore(const std::map<std::string, at::Tensor>& state) {
  const auto find = [&](const std::string& name) {
    const auto found = state.find(name);
    if (found == state.end()) throw WeightsError(fmt::format("the averaged weights lack {}", name));
    return found->second;
  };
  for (size_t i = 0; i < names_.size(); ++i) {
    if (find(names_[i]).sizes() != averages_[i].sizes()) {
      throw WeightsError(fmt::format("the averaged weights have another shape of {}", names_[i]));
    }
  }
  updates_ = find(kUpdates).item<int64_t>();
  for (size_t i = 0; i < names_.size(); ++i) averages_[i].copy_(find(names_[i]));
}

}  // namespace rcnn::train
