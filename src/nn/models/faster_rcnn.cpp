#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/registry.h>

namespace rcnn::nn {
namespace {

/// What `make` makes of model.`part`. Throws MemoryError with what to lower, `sizes`, when there is no memory
/// for it.
template <class Make>
auto built(const config::Node& model, std::string_view part, std::string_view sizes, Make make) {
  try {
    return make();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw MemoryError(
        model.error(part, fmt::format("memory ran out while it was built; lower {}", sizes)).what());
  }
}

}  // namespace

FasterRcnnImpl::FasterRcnnImpl(const config::Node& model, int64_t num_classes)
    : pixels_(PixelOptions::from(model.child("pixels"))) {
  // torchvision nests both under one module, and weights are found by these names.
  const auto backbone = register_module("backbone", std::make_shared<torch::nn::Module>());
  body_ = backbone->register_module("body", built(model, "backbone", "its width",
                                                  [&] { return backbones().make(model.child("backbone")); }));
  auto features = body_->features();
  auto roi_features = features;
  if (model.has("neck")) {
    const auto node = model.child("neck");
    neck_ = backbone->register_module(node.require("type"), built(model, "neck", "its channels", [&] {
                                        return necks().make(node, features);
                                      }));
    features = neck_->features();
    roi_features.assign(features.begin(), features.begin() + static_cast<int64_t>(neck_->roi_levels()));
  } else if (features.size() > 1) {
    throw model.error("backbone", "gives several levels, which need a neck");
  }
  roi_levels_ = roi_features.size();
  size_divisor_ = std::max(size_divisor_, roi_features.back().stride);
  model.read("size_divisor", size_divisor_, {.min = 1, .max = 1024});

  const auto rpn = RpnOptions::from(model.child("rpn"));
  if (features.size() > 1 && rpn.anchors.sizes.size() != features.size()) {
    throw model.error("rpn",
                      fmt::format("anchors.sizes needs one size for each of the {} levels of the pyramid",
                                  features.size()));
  }
  if (rpn.anchors.spacing == boxes::AnchorOptions::Spacing::fitted &&
      size_divisor_ % features.front().stride != 0) {
    throw model.error("size_divisor", fmt::format("must be a multiple of {} for anchors with spacing fitted",
                                                  features.front().stride));
  }
  rpn_ = register_module("rpn", built(model, "rpn", "the width of what it reads (model.backbone, model.neck)",
                                      [&] { return Rpn(features, rpn); }));
  const auto roi = model.child("roi");
  roi_heads_ = register_module(
      "roi_heads",
      built(model, "roi", "what its head is told (hidden, channels, width), or pooler.size", [&] {
        return RoiHeads(roi_features, num_classes, RoiHeadsOptions::from(roi), roi.child("head"));
      }));
  parameter_ = parameters().front();
}

bool FasterRcnnImpl::depends_on_classes(std::string_view name) const {
  return name.starts_with("roi_heads.box_predictor.");
}

int64_t FasterRcnnImpl::classes_in(const TensorMap& weights) const {
  const auto scores = weights.find("roi_heads.box_predictor.cls_score.bias");
  return scores == weights.end() ? 0 : std::max<int64_t>(scores->second.numel() - 1, 1);
}

std::vector<at::Tensor> FasterRcnnImpl::feature_maps(const ImageBatch& images) {
  // Layers that compute in bfloat16 convert what they are given.
  const auto type = parameter_.scalar_type() == at::kBFloat16 ? at::kFloat : parameter_.scalar_type();
  const auto input = network_input(images, pixels_, size_divisor_, parameter_.options().dtype(type));
  auto maps = body_->forward(input);
  return neck_ ? neck_->forward(maps) : maps;
}

std::vector<at::Tensor> FasterRcnnImpl::roi_maps(const std::vector<at::Tensor>& maps) const {
  return {maps.begin(), maps.begin() + static_cast<int64_t>(roi_levels_)};
}

std::vector<Loss> FasterRcnnImpl::losses(const ImageBatch& images, const std::vector<Target>& targets) {
  TORCH_CHECK(targets.size() == images.images.size(), "losses: targets: expected one for each of ",
              images.images.size(), " images, got ", targets.size());
  const auto maps = feature_maps(images);
  const auto [proposals, rpn_loss] = rpn_->forward(maps, images.sizes, &targets);
  const auto roi_loss = roi_heads_->loss(roi_maps(maps), proposals.boxes, targets);
  return {{"loss_objectness", rpn_loss.classification},
          {"loss_rpn_box_reg", rpn_loss.box},
          {"loss_classifier", roi_loss.classification},
          {"loss_box_reg", roi_loss.box}};
}

std::vector<Detections> FasterRcnnImpl::detect(const ImageBatch& images) {
  const auto maps = feature_maps(images);
  const auto proposals = rpn_->forward(maps, images.sizes, nullptr).proposals.boxes;
  return roi_heads_->detect(roi_maps(maps), proposals, images.sizes);
}

std::vector<Detections> FasterRcnnImpl::proposals(const ImageBatch& images) {
  const auto [boxes, scores] = rpn_->forward(feature_maps(images), images.sizes, nullptr).proposals;
  std::vector<Detections> result;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const auto labels = at::ones({boxes[i].size(0)}, boxes[i].options().dtype(at::kLong));
    result.push_back({.boxes = boxes[i], .scores = scores[i], .labels = labels});
  }
  return result;
}

std::shared_ptr<DetectionModelImpl> make_faster_rcnn(const config::Node& model, int64_t num_classes) {
  return std::make_shared<FasterRcnnImpl>(model, num_classes);
}

}  // namespace rcnn::nn
