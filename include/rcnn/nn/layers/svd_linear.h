#pragma once

#include <string>

#include <torch/nn/modules/linear.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>

namespace rcnn::nn {

/// A fully connected layer, or the two that truncated SVD makes of it (Girshick 2015, section 3.1): of a
/// weight U S V' the first has the weight S V' of the t greatest singular values, [t, in], and no bias, the
/// second U, [out, t], and the layer's bias, with nothing between them. No module itself: it registers its
/// layers in the owner, under the layer's name, or, as in Fast R-CNN's models, NAME_L and NAME_U.
class RCNN_EXPORT SvdLinear {
 public:
  /// Rank 0: one layer. Throws c10::Error for a rank above the smaller of the two sizes.
  SvdLinear(torch::nn::Module& owner, const std::string& name, int64_t in, int64_t out, int64_t rank = 0);

  /// [K, in] -> [K, out]
  at::Tensor operator()(const at::Tensor& x);

  int64_t out() const { return last_->options.out_features(); }

  /// The layer itself, or the second of two: a scale or a shift of the outputs is one of its rows and its
  /// bias.
  const torch::nn::Linear& last() const { return last_; }

 private:
  torch::nn::Linear first_ = nullptr;  // of two
  torch::nn::Linear last_;
};

/// The rank that the key "svd" of a box head's config, an object, has for layer `name`; 0 when it is not
/// there. Throws ConfigError for one above the smaller of the two sizes.
RCNN_EXPORT int64_t svd_rank(const config::Node& head, const std::string& name, int64_t in, int64_t out);

}  // namespace rcnn::nn
