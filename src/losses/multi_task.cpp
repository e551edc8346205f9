#include <algorithm>

#include <torch/torch.h>

#include <rcnn/losses/multi_task.h>
#include <rcnn/losses/smooth_l1.h>

namespace rcnn::losses {
namespace {

/// Sums divided by the number of samples; the divisor 1 keeps the empty batch at 0.
double count(const at::Tensor& labels) {
  return static_cast<double>(std::max<int64_t>(labels.size(0), 1));
}

void check(const char* loss, const char* name, const at::Tensor& scores, int64_t dims, const char* shape,
           const at::Tensor& labels) {
  TORCH_CHECK(labels.dim() == 1 && labels.scalar_type() == at::kLong, loss,
              ": labels: expected int64 [S], got ", labels.scalar_type(), " ", labels.sizes());
  TORCH_CHECK(scores.dim() == dims && scores.size(0) == labels.size(0), loss, ": ", name, ": expected ",
              shape, " for labels [S], got ", scores.sizes(), " and ", labels.sizes());
}

}  // namespace

MultiTaskLoss rpn_loss(const at::Tensor& objectness, const at::Tensor& labels, const at::Tensor& deltas,
                       const at::Tensor& targets, double beta) {
  check("rpn_loss", "objectness", objectness, 1, "[S]", labels);
  const auto is_object = (labels > 0).to(at::kFloat);
  const auto classification =
      at::binary_cross_entropy_with_logits(objectness.to(at::kFloat), is_object, {}, {}, at::Reduction::Sum);
  return {classification / count(labels), smooth_l1(deltas.to(at::kFloat), targets, beta) / count(labels)};
}

MultiTaskLoss fast_rcnn_loss(const at::Tensor& scores, const at::Tensor& labels, const at::Tensor& deltas,
                             const at::Tensor& targets, double beta) {
  check("fast_rcnn_loss", "scores", scores, 2, "[S, C + 1]", labels);
  const auto classification = at::cross_entropy_loss(scores.to(at::kFloat), labels, {}, at::Reduction::Sum);
  return {classification / count(labels), smooth_l1(deltas.to(at::kFloat), targets, beta) / count(labels)};
}

at::Tensor fast_rcnn_loss_of_each(const at::Tensor& scores, const at::Tensor& labels,
                                  const at::Tensor& positives, const at::Tensor& deltas,
                                  const at::Tensor& targets, double beta) {
  check("fast_rcnn_loss_of_each", "scores", scores, 2, "[S, C + 1]", labels);
  const auto classification = at::cross_entropy_loss(scores.to(at::kFloat), labels, {}, at::Reduction::None);
  const auto box = smooth_l1(deltas.to(at::kFloat), targets, beta, at::Reduction::None).sum(1);
  return classification.index_add(0, positives, box);
}

}  // namespace rcnn::losses
