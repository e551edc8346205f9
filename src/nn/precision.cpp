#include <ATen/autocast_mode.h>

#include <rcnn/nn/precision.h>

namespace rcnn::nn {

namespace autocast = at::autocast;

Autocast::Autocast(c10::DeviceType device, Precision precision)
    : device_(device), switched_(precision == Precision::bf16) {
  if (!switched_) return;
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
