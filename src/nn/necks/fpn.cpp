#include <torch/torch.h>

#include <rcnn/nn/necks/fpn.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {

FpnImpl::FpnImpl(const std::vector<FeatureSpec>& inputs, const FpnOptions& options)
    : features_(pyramid_levels(inputs, options.channels, options.extra.count,
                               options.roi_levels.value_or(std::ssize(inputs)))),
      top_down_(*this, inputs, options.channels, options.norm),
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
  node.read("channels", options.channels, {.min = 1});
  options.norm.read(node, options.channels);
  options.extra.read(node, options.channels);
  read_roi_levels(node, options.roi_levels, std::ssize(inputs.features) + options.extra.count);
  return std::make_shared<FpnImpl>(inputs.features, options);
}

}  // namespace rcnn::nn
