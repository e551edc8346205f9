#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/registry.h>

namespace rcnn::nn {

std::vector<Detections> DetectionModelImpl::proposals(const ImageBatch&) {
  throw ConfigError("the model makes no proposals: it has no region proposal network");
}

std::shared_ptr<DetectionModelImpl> make_detection_model(const config::Node& model, int64_t num_classes) {
  model.has("weights");  // known here, read by whoever starts a training from it
  return detection_models().make(model, num_classes);
}

}  // namespace rcnn::nn
