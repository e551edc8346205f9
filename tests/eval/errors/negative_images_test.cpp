#include <vector>

#include <gtest/gtest.h>

#include <rcnn/eval/errors/negative_images.h>

namespace rcnn::eval {
namespace {

CocoDetection detection_on(int64_t image, double score) {
  return {.image_id = image, .category_id = 1, .box = {0, 0, 10, 10}, .score = score};
}

TEST(NegativeImages, CountsWhatIsFoundWhereNothingIs) {
  const std::vector<CocoTruth> truths = {
      {.image_id = 1, .category_id = 1, .box = {0, 0, 10, 10}, .area = 100},
      {.image_id = 2, .category_id = 1, .crowd = true}};
  // Images 1 and 2 show something, 3, 4, 5 and 6 nothing, and 7 is not asked about.
  const std::vector<CocoDetection> detections = {
      detection_on(1, 0.9),  detection_on(2, 0.9),  detection_on(3, 0.5), detection_on(3, 0.9),
      detection_on(4, 0.05), detection_on(5, 0.04), detection_on(7, 0.9)};
  const std::vector<int64_t> images = {1, 2, 3, 4, 5, 6};
  const auto result = negative_images(truths, detections, images);
  EXPECT_EQ(result.images, 4);
  EXPECT_EQ(result.false_positives, (std::vector<double>{0.75, 0.5}));
  EXPECT_EQ(to_text(result),
            " Images without objects: 4, false positives an image: 0.750 (score >= 0.05), 0.500 (score >= "
            "0.5)\n");
  EXPECT_EQ(negative_images(truths, detections, images, {.score_thresholds = {0}}).false_positives,
            std::vector<double>{1});
}

TEST(NegativeImages, WithoutSuchImagesThereIsNothingToSay) {
  const std::vector<CocoTruth> truths = {{.image_id = 1, .category_id = 1}};
  const std::vector<CocoDetection> detections = {detection_on(1, 0.9), detection_on(2, 0.9)};
  for (const auto& images : {std::vector<int64_t>{1}, std::vector<int64_t>{}}) {
    const auto result = negative_images(truths, detections, images);
    EXPECT_EQ(result.images, 0);
    EXPECT_EQ(result.false_positives, (std::vector<double>{0, 0}));
    EXPECT_EQ(to_text(result), "");
  }
}

}  // namespace
}  // namespace rcnn::eval
