#pragma once

#include <rcnn/boxes/coder.h>
#include <rcnn/boxes/matcher.h>
#include <rcnn/boxes/sampler.h>
#include <rcnn/config/node.h>

namespace rcnn::nn {

/// The keys that both stages have: positive_iou, negative_iou, ignore_share, batch_per_image,
/// positive_fraction.
inline void read_sampling(const config::Node& node, boxes::MatcherOptions& matcher,
                          boxes::SamplerOptions& sampler) {
  node.read("positive_iou", matcher.positive_iou, {.min = 0, .max = 1});
  node.read("negative_iou", matcher.negative_iou, {.min = 0, .max = 1});
  node.read("ignore_share", matcher.ignore_share, {.min = 0, .max = 1});
  node.read("batch_per_image", sampler.count, {.min = 1});
  node.read("positive_fraction", sampler.positive_fraction, {.min = 0, .max = 1});
  if (matcher.negative_iou > matcher.positive_iou) {
    throw node.error("negative_iou", "must not be above positive_iou");
  }
}

/// The key delta_limit (above, both), which both stages have, too.
inline void read_delta_limit(const config::Node& node, boxes::BoxCoderOptions::Limit& limit) {
  using Limit = boxes::BoxCoderOptions::Limit;
  node.read("delta_limit", limit, {{"above", Limit::above}, {"both", Limit::both}});
}

}  // namespace rcnn::nn
