#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/boxes/coder.h>
#include <rcnn/boxes/matcher.h>
#include <rcnn/export.h>
#include <rcnn/nn/training_set.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// How the coded box targets of each class are spread (Girshick 2015, Fast R-CNN, section 2.3: targets are
/// normalised to zero mean and unit variance). Row 0 is background's, which has no targets: mean 0, std 1.
struct TargetStatistics {
  at::Tensor mean;                    ///< float32 [C + 1, 4]
  at::Tensor std;                     ///< float32 [C + 1, 4]
  std::vector<int64_t> counts = {};   ///< how many targets each row is of
  std::vector<int64_t> too_few = {};  ///< classes without spread, which keep mean 0 and std 1
};

/// Of every candidate that is positive by `matcher`, with each image's ground truth among its candidates, as
/// in training (sample_rois()). Targets are as `coder` codes them: with the weights (10, 10, 5, 5), mean 0
/// and std 1 are what is usual without statistics. Coded targets do not depend on an image's scale. Of
/// flipped images dx has the other sign: the mean over both is (1 - 2 flip) of that of the images as they
/// are. The std is that of the whole (divided by the count).
///
/// A class with fewer than two targets, or a side of it that never differs, keeps mean 0 and std 1.
RCNN_EXPORT TargetStatistics target_statistics(const TrainingSet& images, int64_t num_classes,
                                               const boxes::MatcherOptions& matcher,
                                               const boxes::BoxCoder& coder);

/// Weights in which a box predictor's last layer says normalised targets, as one that says plain ones:
/// W <- diag(std) W, b <- std b + mean, with the statistics `predictor`.target_mean and target_std among
/// them, which go. Weights without statistics, or with some that do not fit the layer, stay as they are.
RCNN_EXPORT TensorMap with_folded_targets(TensorMap weights, const std::string& predictor);

}  // namespace rcnn::nn
