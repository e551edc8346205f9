#include <algorithm>
#include <limits>

#include <torch/torch.h>

#include <rcnn/nn/roi/ohem_sampler.h>

namespace rcnn::nn {
namespace {

/// [B, at most `count`]: rows of those that are `wanted`, by falling loss, -1 behind the last.
at::Tensor worst(const at::Tensor& loss, const at::Tensor& wanted, int64_t count) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // NaN comes first in a falling order.
  const auto masked = loss.masked_fill(wanted.logical_not(), -kInfinity);
  const auto order = masked.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/true)
                         .narrow(1, 0, std::min(count, loss.size(1)));
  return order.masked_fill(wanted.gather(1, order).logical_not(), -1);
}

}  // namespace

at::Tensor worst_classified_rois(const RoiBatch& rois, const at::Tensor& scores,
                                 const boxes::SamplerOptions& options) {
  const auto labels = at::cat(rois.unpadded(rois.labels));
  TORCH_CHECK(scores.dim() == 2 && scores.size(0) == labels.size(0),
              "worst_classified_rois: scores: expected [", labels.size(0), ", C + 1], got ", scores.sizes());
  const auto flat = at::cross_entropy_loss(scores.to(at::kFloat), labels, {}, at::Reduction::None);
  const auto loss = at::pad_sequence(flat.split_with_sizes(rois.counts), /*batch_first=*/true);
  const auto limit = static_cast<int64_t>(static_cast<double>(options.count) * options.positive_fraction);
  const auto positive = worst(loss, rois.labels > 0, limit);
  const auto negative = worst(loss, rois.labels == 0, options.count);
  const auto room = options.count - (positive >= 0).sum(1, /*keepdim=*/true);
  const auto place = at::arange(negative.size(1), negative.options());
  return at::cat({positive, negative.masked_fill(place >= room, -1)}, 1);
}

}  // namespace rcnn::nn
