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
  autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!switched_) return;
  if (autocast::decrement_nesting() == 0) autocast::clear_cache();
  autocast::set_autocast_dtype(device_, old_type_);
  autocast::set_autocast_enabled(device_, was_enabled_);
}

}  // namespace rcnn::nn
