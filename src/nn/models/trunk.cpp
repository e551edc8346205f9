#include <ATen/record_function.h>
#include <torch/torch.h>

#include <rcnn/nn/convention.h>
#include <rcnn/nn/models/trunk.h>

namespace rcnn::nn {

Features Trunk::features(const ImageBatch& images, const at::Tensor& parameter) const {
  RECORD_USER_SCOPE("rcnn::backbone");
  // Layers that compute in bfloat16 convert what they are given.
  const auto type = parameter.scalar_type() == at::kBFloat16 ? at::kFloat : parameter.scalar_type();
  const auto input =
      network_input(images, pixels, size_divisor, parameter.options().dtype(type), extractor->least_side());
  return extractor->forward(input);
}

Trunk make_trunk(const config::Node& model) {
  const auto pixels = PixelOptions::from(model.child("pixels"), read_convention(model));
  auto extractor = make_feature_extractor(model);
  if (extractor->levels().size() > 1 && !model.has("neck")) {
    throw model.error("backbone", "gives several levels, which need a neck");
  }
  const auto size_divisor = read_size_divisor(model, *extractor);
  return {.extractor = std::move(extractor), .pixels = pixels, .size_divisor = size_divisor};
}

}  // namespace rcnn::nn
