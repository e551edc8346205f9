#include <torch/torch.h>

#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/models/inference.h>

namespace rcnn::nn {
namespace {

// The name of an empty module that such a model has: a mark that every kind of model can bear.
constexpr const char* kMark = "prepared_for_inference";

/// The weights of a layer that stands alone.
void convert(const torch::nn::Module& layer, Precision precision) {
  for (auto& parameter : layer.parameters(/*recurse=*/false)) {
    const auto type = precision == Precision::bf16 ? at::kBFloat16 : parameter.scalar_type();
    const auto format = parameter.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Preserve;
    parameter.set_data(parameter.to(type, /*non_blocking=*/false, /*copy=*/false, format));
  }
}

}  // namespace

bool only_detects(const ModelImpl& model) {
  return model.named_children().contains(kMark);
}

void prepare_for_inference(ModelImpl& model, Precision precision) {
  const torch::NoGradGuard no_grad;
  model.eval();
  model.drop_training_parts();
  for (auto& parameter : model.parameters()) {
    parameter.set_requires_grad(false);
    TORCH_CHECK(precision == Precision::fp32 || parameter.scalar_type() == at::kFloat,
                "a model is prepared for bf16 from float32, got ", parameter.scalar_type());
  }
  for (const auto& module : model.modules()) {
    if (auto* fusible = dynamic_cast<Fusible*>(module.get())) fusible->fuse(precision);
  }
  for (const auto& module : model.modules()) {
    if (module->as<torch::nn::Conv2d>() || module->as<torch::nn::Linear>()) convert(*module, precision);
  }
  if (!only_detects(model)) model.register_module(kMark, std::make_shared<torch::nn::Module>());
}

}  // namespace rcnn::nn
