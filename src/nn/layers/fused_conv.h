#pragma once

#include <torch/nn/modules/conv.h>

namespace rcnn::nn {

/// A convolution that will not learn any more, with what follows it done before its result leaves the caches.
/// On a CPU with oneDNN its weights lie as oneDNN wants them where that is one way for all images, so that
/// calls do not rearrange them, and on a GPU cuDNN does what follows; elsewhere it is LibTorch's convolution
/// and an operator for each thing that follows. Safe to use from several threads.
class FusedConv {
 public:
  /// weight    [out, in, kh, kw], of the type that is computed in: input is converted. Whose it is may give
  ///           the memory up by set_data(): this keeps it
  /// bias      [out], of the same type
  /// options   have the stride, the padding, the dilation and the groups
  FusedConv(const at::Tensor& weight, const at::Tensor& bias,
            const torch::nn::detail::ConvNdOptions<2>& options);

  at::Tensor operator()(const at::Tensor& x) const;

  at::Tensor relu(const at::Tensor& x) const;

  /// relu(conv(x) + sum); `sum` stays as it is.
  at::Tensor add_relu(const at::Tensor& x, const at::Tensor& sum) const;

 private:
  at::Tensor convolve(const at::Tensor& x) const;
  at::Tensor of_nothing(const at::Tensor& x) const;
  at::Tensor convolve_and(const at::Tensor& x, std::string_view then) const;

  at::Tensor weight_, bias_;
  bool onednn_;  // computes, and the weight may have its layout
  std::vector<int64_t> stride_, padding_, dilation_;
  int64_t groups_;
};

}  // namespace rcnn::nn
