#include <algorithm>

#include <torch/torch.h>

#include <rcnn/boxes/sampler.h>

namespace rcnn::boxes {
namespace {

at::Tensor choose(const at::Tensor& mask, int64_t count) {
  const auto indices = mask.nonzero().squeeze(1);
  if (indices.size(0) <= count) return indices;
  const auto order = at::randperm(indices.size(0), indices.options());
  return indices.index_select(0, order.narrow(0, 0, count));
}

}  // namespace

Sampled sample(const at::Tensor& labels, const SamplerOptions& options) {
  TORCH_CHECK(labels.dim() == 1, "sample: labels: expected [N], got ", labels.sizes());
  TORCH_CHECK(labels.scalar_type() == at::kLong, "sample: labels: expected int64, got ",
              labels.scalar_type());
  const auto positive_limit =
      static_cast<int64_t>(static_cast<double>(options.count) * options.positive_fraction);
  auto positive = choose(labels > 0, positive_limit);
  auto negative = choose(labels == 0, options.count - positive.size(0));
  return {std::move(positive), std::move(negative)};
}

}  // namespace rcnn::boxes
