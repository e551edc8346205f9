#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/models/faster_rcnn.h>

#include "nn/built.h"

namespace rcnn::nn {

FasterRcnnImpl::FasterRcnnImpl(std::shared_ptr<FeatureExtractorImpl> extractor, Rpn rpn, RoiHeads roi_heads,
                               const PixelOptions& pixels, int64_t size_divisor)
    : levels_(extractor->levels()),
      extractor_(register_module("backbone", std::move(extractor))),
      rpn_(register_module("rpn", std::move(rpn))),
      roi_heads_(register_module("roi_heads", std::move(roi_heads))),
      pixels_(pixels),
      size_divisor_(size_divisor),
      parameter_(parameters().front()) {}

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
  return extractor_->forward(input).maps;
}

std::vector<Loss> FasterRcnnImpl::losses(const ImageBatch& images, const std::vector<Target>& targets) {
  TORCH_CHECK(targets.size() == images.images.size(), "losses: targets: expected one for each of ",
              images.images.size(), " images, got ", targets.size());
  const auto maps = feature_maps(images);
  auto [proposals, losses] = rpn_->forward(maps, images.sizes, &targets);
  for (auto& loss : roi_heads_->losses(for_rois(maps, levels_), proposals.boxes, targets)) {
    losses.push_back(std::move(loss));
  }
  return losses;
}

std::vector<Detections> FasterRcnnImpl::detect(const ImageBatch& images) {
  const auto maps = feature_maps(images);
  const auto proposals = rpn_->forward(maps, images.sizes, nullptr).proposals.boxes;
  return roi_heads_->detect(for_rois(maps, levels_), proposals, images.sizes);
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
  const auto pixels = PixelOptions::from(model.child("pixels"));
  const auto extractor = make_feature_extractor(model);
  const auto levels = extractor->levels();
  if (levels.size() > 1 && !model.has("neck")) {
    throw model.error("backbone", "gives several levels, which need a neck");
  }
  const int64_t size_divisor = read_size_divisor(model, *extractor);
  const auto rpn_options = RpnOptions::from(model.child("rpn"));
  check_anchors(model, rpn_options.anchors, levels);
  if (rpn_options.anchors.spacing == boxes::AnchorOptions::Spacing::fitted &&
      size_divisor % levels.front().stride != 0) {
    throw model.error("size_divisor", fmt::format("must be a multiple of {} for anchors with spacing fitted",
                                                  levels.front().stride));
  }
  const auto rpn = built(model, "rpn", "the width of what it reads (model.backbone, model.neck)",
                         [&] { return Rpn(levels, rpn_options); });
  const auto roi_heads =
      built(model, "roi", "what its head is told (hidden, channels, width), or pooler.size",
            [&] { return make_roi_heads(model.child("roi"), for_rois(levels, levels), num_classes); });
  return std::make_shared<FasterRcnnImpl>(extractor, rpn, roi_heads, pixels, size_divisor);
}

}  // namespace rcnn::nn
