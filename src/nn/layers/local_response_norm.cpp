#include <torch/torch.h>

#include <rcnn/nn/layers/local_response_norm.h>

namespace rcnn::nn {
namespace {

/// Sums over `size` neighbouring channels, those beyond the first and the last being 0.
at::Tensor channel_sums(const at::Tensor& x, int64_t size) {
  const auto padded = at::constant_pad_nd(x, {0, 0, 0, 0, size / 2, size / 2});
  auto sum = padded.narrow(1, 0, x.size(1)) + padded.narrow(1, 1, x.size(1));
  for (int64_t i = 2; i < size; ++i) sum += padded.narrow(1, i, x.size(1));
  return sum;
}

}  // namespace

at::Tensor local_response_norm(const at::Tensor& x, const LocalResponseNormOptions& options) {
  const auto size = options.size;
  TORCH_CHECK(x.dim() == 4, "local_response_norm: x: expected [N, C, H, W], got ", x.sizes());
  TORCH_CHECK(size > 1 && size % 2 == 1, "local_response_norm: size: expected an odd number above 1, got ",
              size);
  const auto wide = x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x;
  const auto squares = wide * wide;
  const bool across = options.region == LocalResponseNormOptions::Region::across_channels;
  auto scale = across ? channel_sums(squares, size).mul_(options.alpha / static_cast<double>(size))
                      : at::avg_pool2d(squares, size, 1, size / 2).mul_(options.alpha);
  return (wide * scale.add_(options.k).pow(-options.beta)).to(x.scalar_type());
}

}  // namespace rcnn::nn
