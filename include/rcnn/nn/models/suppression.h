#pragma once

#include <optional>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/models/box_voting.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// How the candidates of an image become its detections.
struct RCNN_EXPORT SuppressionOptions {
  double score_threshold = 0.05;  ///< candidates above it
  enum class Method {
    hard,           ///< ops/nms.h
    soft_linear,    ///< ops/soft_nms.h: scores that overlaps have lowered to the threshold go
    soft_gaussian,  ///< ops/soft_nms.h
  } method = Method::hard;
  double nms_threshold = 0.5;                             ///< IoU; soft_gaussian has none
  double soft_nms_sigma = 0.5;                            ///< of soft_gaussian
  std::optional<BoxVotingOptions> voting = std::nullopt;  ///< of what is kept, by all candidates
  int64_t max_detections = 100;

  /// Keys: score_threshold, nms (hard, soft_linear, soft_gaussian), nms_threshold, soft_nms_sigma,
  /// box_voting (an object of BoxVotingOptions' keys), max_detections; the node is its owner's to finish.
  static SuppressionOptions from(const config::Node& node);
};

/// Detections of one image, best first, of its candidates: those above the score threshold, without what
/// others of the same label suppress, at most max_detections of all labels. Equal scores go by index. With
/// voting the boxes that are kept move, see vote_boxes(), and where their scores change, too, the best of
/// these are returned; the score threshold is not applied to them again.
/// `candidates` as Detections, on any device, in any order; none give none. The soft methods return lowered
/// scores, and compute on the CPU.
RCNN_EXPORT Detections suppress(const Detections& candidates, const SuppressionOptions& options);

}  // namespace rcnn::nn
