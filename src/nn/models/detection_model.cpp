#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/nn/models/detection_model.h>

namespace rcnn::nn {

std::vector<Detections> DetectionModelImpl::proposals(const ImageBatch&) {
  throw ConfigError("the model makes no proposals: it has no region proposal network");
}

std::shared_ptr<DetectionModelImpl> make_detection_model(const config::Node& model, int64_t num_classes) {
  return as_detection_model(make_model(model, num_classes), model);
}

std::shared_ptr<DetectionModelImpl> as_detection_model(const std::shared_ptr<ModelImpl>& model,
                                                       const config::Node& node) {
  auto detector = std::dynamic_pointer_cast<DetectionModelImpl>(model);
  if (!detector) throw node.error("type", "finds no boxes: it is a model of another kind");
  return detector;
}

}  // namespace rcnn::nn
