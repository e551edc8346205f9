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
  // A row of padding behind the others stands for none, and one that is none keeps what follows from being
  // empty.
  const auto size = labels.size(1);
  const auto wanted = at::constant_pad_nd(rows, {0, 1}, -1);
  const auto places = wanted.masked_fill((wanted < 0).logical_or(wanted >= size), size);
  const auto all_labels = at::constant_pad_nd(labels, {0, 1}, -1);
  const auto chosen = all_labels.gather(1, places);
  const auto rank = (chosen <= 0).to(at::kLong) + (chosen < 0).to(at::kLong);
  const auto order = rank.argsort(/*stable=*/true, /*dim=*/1);
  const auto numbers =
      at::stack({(chosen >= 0).sum(1), (chosen > 0).sum(1), wanted.amax(1), wanted.amin(1)}).cpu();
  TORCH_CHECK(numbers[2].max().item<int64_t>() < size && numbers[3].min().item<int64_t>() >= -1,
              "select: rows: expected each below ", size, ", or -1, got ", numbers[3].min().item<int64_t>(),
              " to ", numbers[2].max().item<int64_t>());
  const auto from = places.gather(1, order).narrow(1, 0, numbers[0].max().item<int64_t>());
  return {.boxes = rows_of(at::constant_pad_nd(boxes, {0, 0, 0, 1}, 0), from),
          .labels = rows_of(all_labels, from),
          .truth = rows_of(at::constant_pad_nd(truth, {0, 1}, -1), from),
          .truth_boxes = rows_of(at::constant_pad_nd(truth_boxes, {0, 0, 0, 1}, 0), from),
          .proposal = rows_of(at::constant_pad_nd(proposal, {0, 1}, -1), from),
          .counts = to_list(numbers[0]),
          .positives = to_list(numbers[1])};
}

RoiBatch sample_rois(const std::vector<at::Tensor>& proposals, const std::vector<Target>& targets,
                     const boxes::MatcherOptions& matcher, const boxes::SamplerOptions& sampler) {
  RoiBatch batch;
  std::vector<at::Tensor> rois, labels, truths, truth_boxes, numbers;
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
    numbers.push_back(chosen.masked_fill(chosen >= proposals[image].size(0), -1));
    batch.counts.push_back(chosen.size(0));
    batch.positives.push_back(positive.size(0));
  }
  batch.boxes = padded(rois, 0);
  batch.labels = padded(labels, -1);
  batch.truth = padded(truths, -1);
  batch.truth_boxes = padded(truth_boxes, 0);
  batch.proposal = padded(numbers, -1);
  return batch;
}

}  // namespace rcnn::nn
