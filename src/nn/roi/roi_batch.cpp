#include <torch/torch.h>

#include <rcnn/nn/roi/roi_batch.h>

namespace rcnn::nn {
namespace {

/// [B, longest, ...] of one tensor [S_i, ...] for each image.
at::Tensor padded(const std::vector<at::Tensor>& of_images, double padding) {
  return at::pad_sequence(of_images, /*batch_first=*/true, padding);
}

/// Rows of [B, S] or [B, S, 4] by int64 [B, R].
at::Tensor rows_of(const at::Tensor& all, const at::Tensor& rows) {
  return all.dim() == 2 ? all.gather(1, rows) : all.gather(1, rows.unsqueeze(2).expand({-1, -1, 4}));
}

std::vector<int64_t> to_list(const at::Tensor& numbers) {
  return {numbers.const_data_ptr<int64_t>(), numbers.const_data_ptr<int64_t>() + numbers.numel()};
}

}  // namespace

std::vector<at::Tensor> RoiBatch::unpadded(const at::Tensor& rows) const {
  std::vector<at::Tensor> result;
  for (size_t image = 0; image < counts.size(); ++image) {
    result.push_back(rows[static_cast<int64_t>(image)].narrow(0, 0, counts[image]));
  }
  return result;
}

RoiBatch RoiBatch::select(const at::Tensor& rows) const {
  TORCH_CHECK(rows.dim() == 2 && rows.size(0) == labels.size(0) && rows.scalar_type() == at::kLong,
              "select: rows: expected int64 [", labels.size(0), ", R], got ", rows.scalar_type(), " ",
              rows.sizes());
  const auto chosen = labels.gather(1, rows.clamp_min(0)).masked_fill(rows < 0, -1);
  const auto rank = (chosen <= 0).to(at::kLong) + (chosen < 0).to(at::kLong);
  const auto order = rank.argsort(/*stable=*/true, /*dim=*/1);
  const auto from = rows.clamp_min(0).gather(1, order);
  const auto label = chosen.gather(1, order);
  const auto absent = label < 0;
  const auto numbers = at::stack({(label >= 0).sum(1), (label > 0).sum(1)}).cpu();
  return {.boxes = rows_of(boxes, from).masked_fill(absent.unsqueeze(2), 0),
          .labels = label,
          .truth = rows_of(truth, from).masked_fill(absent, -1),
          .truth_boxes = rows_of(truth_boxes, from).masked_fill(absent.unsqueeze(2), 0),
          .counts = to_list(numbers[0]),
          .positives = to_list(numbers[1])};
}

RoiBatch sample_rois(const std::vector<at::Tensor>& proposals, const std::vector<Target>& targets,
                     const boxes::MatcherOptions& matcher, const boxes::SamplerOptions& sampler) {
  RoiBatch batch;
  std::vector<at::Tensor> rois, labels, truths, truth_boxes;
  for (size_t image = 0; image < targets.size(); ++image) {
    const auto& target = targets[image];
    const auto candidates = at::cat({proposals[image], target.boxes});
    const auto assignment = boxes::match(candidates, target, matcher);
    const auto [positive, negative] = boxes::sample(assignment.labels, sampler);
    const auto chosen = at::cat({positive, negative});
    const auto truth = assignment.truth.index_select(0, positive);
    rois.push_back(candidates.index_select(0, chosen));
    labels.push_back(assignment.labels.index_select(0, chosen));
    truths.push_back(at::cat({truth, at::full_like(negative, -1)}));
    truth_boxes.push_back(
        at::cat({target.boxes.index_select(0, truth), target.boxes.new_zeros({negative.size(0), 4})}));
    batch.counts.push_back(chosen.size(0));
    batch.positives.push_back(positive.size(0));
  }
  batch.boxes = padded(rois, 0);
  batch.labels = padded(labels, -1);
  batch.truth = padded(truths, -1);
  batch.truth_boxes = padded(truth_boxes, 0);
  return batch;
}

}  // namespace rcnn::nn
