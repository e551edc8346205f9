#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/errors/negative_images.h>

namespace rcnn::eval {

NegativeImages negative_images(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                               std::span<const int64_t> image_ids, const NegativeImagesOptions& options) {
  std::unordered_set<int64_t> negatives(image_ids.begin(), image_ids.end());
  for (const auto& truth : truths) negatives.erase(truth.image_id);

  NegativeImages result{.images = std::ssize(negatives),
                        .score_thresholds = options.score_thresholds,
                        .false_positives = std::vector<double>(options.score_thresholds.size())};
  if (negatives.empty()) return result;
  for (const auto& detection : detections) {
    if (!negatives.contains(detection.image_id)) continue;
    for (size_t i = 0; i < options.score_thresholds.size(); ++i) {
      result.false_positives[i] += detection.score >= options.score_thresholds[i];
    }
  }
  for (auto& count : result.false_positives) count /= static_cast<double>(result.images);
  return result;
}

std::string to_text(const NegativeImages& negatives) {
  if (negatives.images == 0) return "";
  std::string text = fmt::format(" Images without objects: {}, false positives an image:", negatives.images);
  for (size_t i = 0; i < negatives.score_thresholds.size(); ++i) {
    text += fmt::format("{} {:.3f} (score >= {})", i == 0 ? "" : ",", negatives.false_positives[i],
                        negatives.score_thresholds[i]);
  }
  return text + '\n';
}

}  // namespace rcnn::eval
