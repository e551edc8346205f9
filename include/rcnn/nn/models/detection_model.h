#pragma once

#include <memory>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/models/model.h>
#include <rcnn/nn/models/suppression.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// A model that finds boxes: what the inference facade works with.
class RCNN_EXPORT DetectionModelImpl : public ModelImpl {
 public:
  /// Detections of each image, best first, in network pixels. Call under eval() and without gradients.
  virtual std::vector<Detections> detect(const ImageBatch& images) = 0;

  /// What detect() chooses from by suppression(), in no order; for a model that chooses otherwise, what it
  /// detects. For who suppresses those of several views of one image together.
  virtual std::vector<Detections> candidates(const ImageBatch& images) { return detect(images); }

  /// Whether losses() and detect() need ImageBatch::proposals: boxes that come with the data.
  virtual bool needs_proposals() const { return false; }

  /// Whether what detect() finds are proposals, all of label 1, whatever the classes: a region proposal
  /// network alone.
  virtual bool finds_proposals() const { return false; }

  /// What a detector in two stages takes for an object of any class, best first, in network pixels: the score
  /// is its probability, the label 1. Call like detect(). Throws ConfigError where the model proposes
  /// nothing.
  virtual std::vector<Detections> proposals(const ImageBatch& images);

  /// How detect() chooses among candidates: for who merges detections of several views of one image.
  virtual const SuppressionOptions& suppression() const = 0;
};

/// make_model() for those who want boxes. Throws ConfigError too where the config's model is of another kind.
RCNN_EXPORT std::shared_ptr<DetectionModelImpl> make_detection_model(const config::Node& model,
                                                                     int64_t num_classes);

/// The model, made of the config `node`, as one that finds boxes. Throws ConfigError when it is of another
/// kind.
RCNN_EXPORT std::shared_ptr<DetectionModelImpl> as_detection_model(const std::shared_ptr<ModelImpl>& model,
                                                                   const config::Node& node);

}  // namespace rcnn::nn
