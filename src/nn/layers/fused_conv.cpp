#include "nn/layers/fused_conv.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/ConvUtils.h>
#include <torch/torch.h>

#include "nn/layers/cpu_bfloat16.h"

namespace rcnn::nn {
namespace {

// oneDNN's fused convolutions are operators of LibTorch that have no function in its headers. Nothing follows
// a list of scalars and an algorithm here: they are for other activations.
using Scalars = c10::List<std::optional<at::Scalar>>;
using Pack = at::Tensor(const at::Tensor&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t,
                        at::OptionalIntArrayRef);
using Convolve = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view,
                            Scalars, std::optional<std::string_view>);
using ConvolveAndAdd = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                  const std::optional<at::Tensor>&, at::IntArrayRef, at::IntArrayRef,
                                  at::IntArrayRef, int64_t, std::string_view, std::optional<at::Scalar>,
                                  std::optional<std::string_view>, Scalars, std::optional<std::string_view>);

template <class Signature>
c10::TypedOperatorHandle<Signature> operator_named(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

/// Whether oneDNN computes in the weight's type here.
bool takes_onednn(const at::Tensor& weight) {
  if (!weight.is_cpu() || !at::globalContext().userEnabledMkldnn() || !at::hasMKLDNN()) return false;
  return weight.scalar_type() == at::kFloat ||
         (weight.scalar_type() == at::kBFloat16 && onednn_has_bfloat16());
}

/// Whether oneDNN may want the weight in blocks of 48 or of 64 by the image's size: for wide 1x1 convolutions
/// it does, and from the one to the other takes it as long as the convolution. From LibTorch's own layout,
/// which these keep, either takes no time that matters.
bool depends_on_the_image(const at::Tensor& weight) {
  return weight.size(0) > 256 && weight.size(2) == 1 && weight.size(3) == 1;
}

/// Whether cuDNN does the convolution with what follows.
bool has_cudnn(const at::Tensor& weight) {
  const auto& context = at::globalContext();
  return weight.is_cuda() && at::Context::hasCuDNN() && context.userEnabledCuDNN() &&
         weight.scalar_type() != at::kDouble;
}

}  // namespace

FusedConv::FusedConv(const at::Tensor& weight, const at::Tensor& bias,
                     const torch::nn::detail::ConvNdOptions<2>& options)
    : weight_(weight.detach().contiguous(at::MemoryFormat::ChannelsLast)),
      bias_(bias.detach()),
      onednn_(takes_onednn(weight)),
      stride_(options.stride()->begin(), options.stride()->end()),
      dilation_(options.dilation()->begin(), options.dilation()->end()),
      groups_(options.groups()) {
  const auto& padding = std::get<torch::ExpandingArray<2>>(options.padding());
  padding_.assign(padding->begin(), padding->end());
  if (onednn_ && !depends_on_the_image(weight)) {
    static const auto pack = operator_named<Pack>("mkldnn::_reorder_convolution_weight", "");
    // A feature map's size; without one oneDNN expects planes, and every call would rearrange the weight.
    const std::vector<int64_t> input{1, weight.size(1) * groups_, 64, 64};
    weight_ = pack.call(weight_, padding_, stride_, dilation_, groups_, input);
  }
}

at::Tensor FusedConv::convolve(const at::Tensor& x) const {
  return at::conv2d(x.to(weight_.scalar_type()), weight_, bias_, stride_, padding_, dilation_, groups_);
}

/// oneDNN's operators know no empty batch.
at::Tensor FusedConv::of_nothing(const at::Tensor& x) const {
  const auto weight = at::empty(weight_.sizes(), bias_.options());
  return at::conv2d(x.to(weight.scalar_type()), weight, bias_, stride_, padding_, dilation_, groups_);
}

at::Tensor FusedConv::convolve_and(const at::Tensor& x, std::string_view then) const {
  if (x.numel() == 0) return of_nothing(x);
  static const auto fused = operator_named<Convolve>("mkldnn::_convolution_pointwise", "");
  return fused.call(x.to(bias_.scalar_type()), weight_, bias_, padding_, stride_, dilation_, groups_, then,
                    Scalars(), "");
}

at::Tensor FusedConv::operator()(const at::Tensor& x) const {
  return onednn_ ? convolve_and(x, "none") : convolve(x);
}

at::Tensor FusedConv::relu(const at::Tensor& x) const {
  if (onednn_) return convolve_and(x, "relu");
  if (!has_cudnn(weight_)) return convolve(x).relu_();
  // cudnn_convolution_relu has cuDNN add 0 times the output as it was before, which makes NaN of one there.
  const auto sizes = at::native::conv_output_size(x.sizes(), weight_.sizes(), padding_, stride_, dilation_);
  return add_relu(x, at::empty(sizes, weight_.options(), at::MemoryFormat::ChannelsLast).zero_());
}

at::Tensor FusedConv::add_relu(const at::Tensor& x, const at::Tensor& sum) const {
  if (onednn_) {
    if (x.numel() == 0) return of_nothing(x);
    static const auto fused = operator_named<ConvolveAndAdd>("mkldnn::_convolution_pointwise", "binary");
    return fused.call(x.to(bias_.scalar_type()), sum, weight_, bias_, padding_, stride_, dilation_, groups_,
                      "add", 1.0, "relu", Scalars(), "");
  }
  if (!has_cudnn(weight_)) return convolve(x).add_(sum).relu_();
  return at::cudnn_convolution_add_relu(x.to(weight_.scalar_type()), weight_, sum, /*alpha=*/1, bias_,
                                        stride_, padding_, dilation_, groups_);
}

}  // namespace rcnn::nn
