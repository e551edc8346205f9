#pragma once

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// How detections are refined by the candidates around them (Gidaris and Komodakis 2015, section 5), with
/// Detectron's rules for the scores, of n votes with the scores s.
struct RCNN_EXPORT BoxVotingOptions {
  double iou = 0.8;  ///< at least this IoU makes a candidate a voter; MR-CNN's and OHEM's papers have 0.5
  enum class Scores {
    id,               ///< as they are
    avg,              ///< mean of s
    iou_avg,          ///< mean of s, weighted by IoU
    temp_avg,         ///< mean of s at the temperature beta: sigmoid(logit(s) / beta)
    generalized_avg,  ///< mean of s^beta, to the power 1 / beta
    quasi_sum,        ///< sum of s, divided by n^beta: may be above 1
  } scores = Scores::id;
  double beta = 1;  ///< of the last three

  /// Keys: iou, scores, beta.
  void read(const config::Node& node);
};

/// The detections `kept` of one image, each box replaced by the mean, weighted by score, of the candidates of
/// its label that overlap it enough, itself among them; the scores by the rule that is asked for.
/// `candidates` are what `kept` was chosen from, with the scores from before the choice. A box that no
/// candidate votes for, as one without area, stays as it is. Same order, same device; none give none.
RCNN_EXPORT Detections vote_boxes(const Detections& kept, const Detections& candidates,
                                  const BoxVotingOptions& options);

}  // namespace rcnn::nn
