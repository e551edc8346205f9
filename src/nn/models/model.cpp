#include <torch/torch.h>

#include <rcnn/nn/models/model.h>
#include <rcnn/nn/registry.h>

namespace rcnn::nn {

bool ModelImpl::depends_on_classes(std::string_view) const {
  return false;
}

void ModelImpl::begin_training(const TrainingSet&, std::span<const std::string>) {}

TensorMap ModelImpl::published(TensorMap state) const {
  return state;
}

bool ModelImpl::only_trains(std::string_view) const {
  return false;
}

void ModelImpl::drop_training_parts() {}

int64_t ModelImpl::classes_in(const TensorMap&) const {
  return 0;
}

std::shared_ptr<ModelImpl> make_model(const config::Node& model, int64_t num_classes) {
  model.has("weights");  // known here, read by whoever starts a training from it
  return models().make(model, num_classes);
}

}  // namespace rcnn::nn
