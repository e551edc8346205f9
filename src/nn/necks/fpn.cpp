#include <torch/torch.h>

#include <rcnn/nn/necks/fpn.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {

void FpnOptions::read(const config::Node& neck, size_t inputs) {
  neck.read("channels", channels, {.min = 1});
  norm.read(neck, channels);
  extra.read(neck, channels);
  read_roi_levels(neck, roi_levels, static_cast<int64_t>(inputs) + extra.count);
}

FpnImpl::FpnImpl(const std::vector<FeatureSpec>& inputs, const FpnOptions& options)
    : FpnImpl(inputs, options, /*rectified=*/false) {}

FpnImpl::FpnImpl(const std::vector<FeatureSpec>& inputs, const FpnOptions& options, bool rectified)
    : features_(pyramid_levels(inputs, options.channels, options.extra.count,
                               options.roi_levels.value_or(std::ssize(inputs)))),
      top_down_(*this, inputs, options.channels, options.norm, rectified),
      extra_(*this, inputs.back(), features_, options.extra) {}

std::vector<at::Tensor> FpnImpl::forward(const std::vector<at::Tensor>& maps) {
  auto [laterals, sums, outputs] = top_down_(maps);
  extra_.append_to(outputs, maps.back(), sums.back());
  return outputs;
}

void FpnImpl::fuse(Precision precision) {
  top_down_.fuse(precision);
  extra_.fuse(precision);
}

std::shared_ptr<NeckImpl> make_fpn(const config::Node& node, const NeckInputs& inputs) {
  FpnOptions options;
  options.read(node, inputs.features.size());
  return std::make_shared<FpnImpl>(inputs.features, options);
}

}  // namespace rcnn::nn
