#include <cmath>
#include <utility>

#include <torch/torch.h>

#include <rcnn/nn/roi/target_statistics.h>

namespace rcnn::nn {
namespace {

// Coded targets that differ by less do so by rounding: ground truth alone has all of them 0.
constexpr double kLeastSpread = 1e-4;

}  // namespace

TargetStatistics target_statistics(const TrainingSet& images, int64_t num_classes,
                                   const boxes::MatcherOptions& matcher, const boxes::BoxCoder& coder) {
  const torch::NoGradGuard no_grad;
  const auto rows = num_classes + 1;
  const auto sums = at::zeros({rows, 4}, at::kDouble), squares = at::zeros({rows, 4}, at::kDouble);
  const auto counts = at::zeros({rows}, at::kDouble);
  for (int64_t image = 0; image < images.size; ++image) {
    const auto [proposals, target] = images.boxes(image);
    const auto candidates = at::cat({proposals, target.boxes});
    const auto assignment = boxes::match(candidates, target, matcher);
    const auto positive = (assignment.labels > 0).nonzero().squeeze(1);
    const auto labels = assignment.labels.index_select(0, positive);
    const auto truth = target.boxes.index_select(0, assignment.truth.index_select(0, positive));
    const auto targets = coder.encode(candidates.index_select(0, positive), truth).to(at::kDouble);
    sums.index_add_(0, labels, targets);
    squares.index_add_(0, labels, targets.square());
    counts.index_add_(0, labels, at::ones({labels.size(0)}, at::kDouble));
  }
  const auto divisor = counts.clamp_min(1).unsqueeze(1);
  auto mean = sums / divisor;
  mean.select(1, 0).mul_(1 - 2 * images.flip);
  auto std = (squares / divisor - mean.square()).clamp_min(0).sqrt();
  TargetStatistics statistics;
  for (int64_t label = 0; label < rows; ++label) {
    const auto count = static_cast<int64_t>(counts[label].item<double>());
    statistics.counts.push_back(count);
    const auto flat = (std[label] < kLeastSpread).logical_or(at::scalar_tensor(count < 2, at::kBool));
    if (label > 0 && flat.any().item<bool>()) statistics.too_few.push_back(label);
    mean[label].masked_fill_(flat, 0);
    std[label].masked_fill_(flat, 1);
  }
  statistics.mean = mean.to(at::kFloat);
  statistics.std = std.to(at::kFloat);
  return statistics;
}

TensorMap with_folded_targets(TensorMap weights, const std::string& predictor) {
  const auto mean_name = predictor + ".target_mean", std_name = predictor + ".target_std";
  const bool is_compressed = weights.contains(predictor + ".bbox_pred_U.weight");  // see SvdLinear
  const auto last = predictor + (is_compressed ? ".bbox_pred_U" : ".bbox_pred");
  const auto weight_name = last + ".weight", bias_name = last + ".bias";
  for (const auto& name : {mean_name, std_name, weight_name, bias_name}) {
    if (!weights.contains(name)) return weights;
  }
  auto& weight = weights.at(weight_name);
  auto& bias = weights.at(bias_name);
  const auto mean = weights.at(mean_name), std = weights.at(std_name);
  if (mean.numel() != bias.numel() || std.numel() != bias.numel() || weight.dim() != 2 ||
      weight.size(0) != bias.numel()) {
    return weights;
  }
  weights.erase(mean_name);
  weights.erase(std_name);
  // In double, so that what is rounded is the product alone.
  const auto type = weight.scalar_type();
  const auto scale = std.to(at::kDouble).flatten(), shift = mean.to(at::kDouble).flatten();
  weight = (weight.to(at::kDouble) * scale.unsqueeze(1)).to(type);
  bias = (bias.to(at::kDouble) * scale + shift).to(type);
  return weights;
}

}  // namespace rcnn::nn
