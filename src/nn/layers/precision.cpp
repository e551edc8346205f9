#include <mutex>

#include <ATen/autocast_mode.h>

#include <rcnn/log.h>
#include <rcnn/nn/layers/precision.h>

#include "nn/layers/cpu_bfloat16.h"

namespace rcnn::nn {

namespace autocast = at::autocast;

namespace {

void warn_once_if_slow(c10::DeviceType device) {
  static std::once_flag once;
  if (device != c10::DeviceType::CPU) return;
  std::call_once(once, [] {
    if (!is_bfloat16_slow()) return;
    log::warn(
        "bf16: this processor has no instructions for bfloat16, which takes many times as long as fp32 here");
  });
}

}  // namespace

Autocast::Autocast(c10::DeviceType device, Precision precision)
    : device_(device), switched_(precision == Precision::bf16) {
  if (!switched_) return;
  warn_once_if_slow(device_);
  was_enabled_ = autocast::is_autocast_enabled(device_);
  old_type_ = autocast::get_autocast_dtype(device_);
  autocast::set_autocast_enabled(device_, true);
  autocast::set_autocast_dtype(device_, at::kBFloat16);
  // A cast made without gradients, as for proposals, would be taken where the loss needs them.
  had_cache_ = autocast::is_autocast_cache_enabled();
  autocast::set_autocast_cache_enabled(false);
}

Autocast::~Autocast() {
  if (!switched_) return;
  autocast::set_autocast_cache_enabled(had_cache_);
  autocast::set_autocast_dtype(device_, old_type_);
  autocast::set_autocast_enabled(device_, was_enabled_);
}

}  // namespace rcnn::nn
