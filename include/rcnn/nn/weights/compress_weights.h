#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>
#include <rcnn/nn/models/model_file.h>

namespace rcnn::nn {

/// The weights of the two layers that truncated SVD makes of one (Girshick 2015, section 3.1).
struct TruncatedSvd {
  at::Tensor first;   ///< float32 [t, in]: S V' of the t greatest singular values
  at::Tensor second;  ///< float32 [out, t]: U
  double energy = 1;  ///< the share of the squared singular values that is kept
  double error = 0;   ///< what is not, as a relative Frobenius norm: sqrt(1 - energy)
};

/// Truncated SVD of a given rank.
///
/// weight   float [out, in], on the CPU, finite
/// rank     1 .. min(out, in)
/// throws   c10::Error for another shape or rank
///
/// By the eigenvectors of W W' in float64, where S V' is U' W: what float32 can tell apart is told apart, and
/// the product of the two is W projected onto U, exact to rounding at full rank.
RCNN_EXPORT TruncatedSvd truncated_svd(const at::Tensor& weight, int64_t rank);

/// The same of the least rank that keeps the share `energy` of the squared singular values, above 0, up to 1.
RCNN_EXPORT TruncatedSvd truncated_svd_of_energy(const at::Tensor& weight, double energy);

/// Which fully connected layers of a model's box head and box predictor become two, and of which rank.
struct CompressOptions {
  /// Ranks by name, as in the head (fc6) or in the model (roi_heads.box_head.fc6); none: what `energy` says.
  /// Empty: all layers of the head, without the predictor's.
  std::map<std::string, std::optional<int64_t>> layers = {};
  /// Above 0, up to 1; chooses the ranks of the layers that have none, one of them at least.
  std::optional<double> energy = std::nullopt;
};

/// What became of a layer.
struct CompressedLayer {
  std::string name;  ///< "roi_heads.box_head.fc6"
  int64_t inputs = 0, outputs = 0;
  int64_t rank = 0;
  bool whole = false;  ///< left as it was: `rank`, which the energy asks for, would have made it larger
  double energy = 1, error = 0;  ///< see TruncatedSvd

  /// Weights before and after, biases not counted: as many as the multiply-adds of a RoI.
  int64_t before() const { return inputs * outputs; }
  int64_t after() const { return whole ? before() : rank * (inputs + outputs); }
};

/// A model with compressed layers.
struct CompressedModel {
  DescribedModel model;  ///< its config says so: model.roi.head.svd
  std::vector<CompressedLayer> layers;
};

/// The model with two layers of a lower rank in the place of each that is named. It is a model like any
/// other: it detects faster, and can be saved, loaded and trained. Throws ConfigError for a layer that is not
/// there (with the nearest name), that has been compressed, a rank above the layer's smaller side, a layer
/// without rank or energy, an energy where all layers have ranks or at which none becomes smaller, and where
/// there is no box head; WeightsError for weights that are not finite. `origin` names the model's file in
/// messages.
RCNN_EXPORT CompressedModel compress_weights(const DescribedModel& model, const CompressOptions& options,
                                             const std::string& origin);

}  // namespace rcnn::nn
