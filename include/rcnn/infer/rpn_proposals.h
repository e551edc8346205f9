#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/data/proposals/make_proposals.h>
#include <rcnn/export.h>
#include <rcnn/infer/detector_options.h>

namespace rcnn {

class TensorDetector;

/// Where the proposals of a region proposal network come from.
struct RpnProposalsOptions {
  DetectorOptions detector = {};
  int64_t limit = 2000;                     ///< the best so many of an image
  int64_t workers = 2;                      ///< threads that decode images
  std::vector<std::string> overrides = {};  ///< "key=value" instead of what the weights' config says
};

/// The proposals that the RPN of a weight file makes, with their probabilities. Up to the limit that the
/// weights were made with (model.rpn.test.post_nms) they are the best of those that it makes there; for more,
/// non-maximum suppression has six times the limit to choose from on each level, py-faster-rcnn's 12000 for
/// 2000, or as many as the weights or the overrides say. Throws what TensorDetector::load() throws,
/// ConfigError for a model without an RPN and for an override of post_nms, which the limit is; and while it
/// makes them MemoryError, which names the image.
RCNN_EXPORT data::ProposalMethod rpn_method(const std::filesystem::path& weights,
                                            const RpnProposalsOptions& options);

/// The same by a detector at hand, which makes as many as its own config says. `description` tells it from
/// others.
RCNN_EXPORT data::ProposalMethod rpn_method(std::shared_ptr<const TensorDetector> detector, int64_t workers,
                                            std::vector<std::pair<std::string, std::string>> description);

}  // namespace rcnn
