#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::losses {

/// A classification and a box regression loss, each a float32 scalar.
struct MultiTaskLoss {
  at::Tensor classification;
  at::Tensor box;
};

/// Loss of the RPN (Faster R-CNN, equation 1, in the normalisation of the reference code): binary
/// cross-entropy averaged over the S sampled anchors, Smooth L1 summed over the P positive ones and divided
/// by S too.
///
/// objectness  float [S], logits
/// labels      int64 [S], above 0 for an object
/// deltas      float [P, 4], of the positive anchors
/// targets     float [P, 4]
/// returns     zeros that are still connected to the graph when S is 0; other shapes throw c10::Error
RCNN_EXPORT MultiTaskLoss rpn_loss(const at::Tensor& objectness, const at::Tensor& labels,
                                   const at::Tensor& deltas, const at::Tensor& targets, double beta);

/// Loss of the RoI head (Fast R-CNN, equation 1): cross-entropy averaged over the S sampled RoIs, Smooth L1
/// summed over the P positive ones and divided by S too.
///
/// scores      float [S, C + 1], logits
/// labels      int64 [S], 0 for background
/// deltas      float [P, 4], of the positive RoIs and their own class
/// targets     float [P, 4]
/// returns     zeros that are still connected to the graph when S is 0; other shapes throw c10::Error
RCNN_EXPORT MultiTaskLoss fast_rcnn_loss(const at::Tensor& scores, const at::Tensor& labels,
                                         const at::Tensor& deltas, const at::Tensor& targets, double beta);

/// The same of each RoI alone, both parts together and not averaged: float32 [S]. `positives`, int64 [P], are
/// the places of the positive RoIs among the S.
RCNN_EXPORT at::Tensor fast_rcnn_loss_of_each(const at::Tensor& scores, const at::Tensor& labels,
                                              const at::Tensor& positives, const at::Tensor& deltas,
                                              const at::Tensor& targets, double beta);

}  // namespace rcnn::losses
