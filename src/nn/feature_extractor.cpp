#include <algorithm>
#include <utility>

#include <torch/torch.h>

#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/convention.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/necks/neck.h>
#include <rcnn/nn/registry.h>

#include "nn/built.h"

namespace rcnn::nn {
namespace {

class BackboneAndNeck : public FeatureExtractorImpl {
 public:
  BackboneAndNeck(std::shared_ptr<BackboneImpl> body, std::shared_ptr<NeckImpl> neck,
                  const std::string& neck_name)
      : body_(register_module("body", std::move(body))), neck_(std::move(neck)) {
    if (neck_) register_module(neck_name, neck_);
  }

  Features forward(const at::Tensor& images) override {
    return neck_ ? neck_->extract(images, *body_) : Features{body_->forward(images)};
  }

  std::vector<FeatureSpec> levels() const override { return neck_ ? neck_->features() : body_->features(); }

  std::vector<FeatureSpec> laterals() const override {
    return neck_ ? neck_->laterals() : std::vector<FeatureSpec>();
  }

  int64_t size_divisor() const override {
    return neck_ ? neck_->size_divisor() : FeatureExtractorImpl::size_divisor();
  }

  int64_t least_side() const override { return body_->least_side(); }

 private:
  std::shared_ptr<BackboneImpl> body_;
  std::shared_ptr<NeckImpl> neck_;
};

/// Throws c10::Error for what no RPN and no RoI head can be made over.
void check_levels(const std::vector<FeatureSpec>& levels, const std::string& whose) {
  const bool whole = std::ranges::all_of(
      levels, [](const FeatureSpec& level) { return level.channels > 0 && level.stride > 0; });
  TORCH_CHECK(whole && std::ranges::any_of(levels, &FeatureSpec::for_rois), whose,
              ": features(): expected one level at least that RoIs are pooled from, each with channels and a "
              "stride");
}

}  // namespace

int64_t stride_for_rois(const std::vector<FeatureSpec>& levels) {
  int64_t stride = 1;
  for (const auto& level : levels) {
    if (level.for_rois) stride = std::max(stride, level.stride);
  }
  return stride;
}

int64_t FeatureExtractorImpl::size_divisor() const {
  return stride_for_rois(levels());
}

std::shared_ptr<FeatureExtractorImpl> feature_extractor(std::shared_ptr<BackboneImpl> body,
                                                        std::shared_ptr<NeckImpl> neck,
                                                        const std::string& neck_name) {
  return std::make_shared<BackboneAndNeck>(std::move(body), std::move(neck), neck_name);
}

std::shared_ptr<FeatureExtractorImpl> make_feature_extractor(const config::Node& model) {
  const bool legacy = read_convention(model) == boxes::Convention::pixels;
  const auto make_body = [model, legacy] {
    auto body =
        built(model, "backbone", "its width", [&] { return backbones().make(model.child("backbone")); });
    if (legacy) body->pool_like_caffe();
    return body;
  };
  auto body = make_body();
  check_levels(body->features(), model.child("backbone").require("type"));
  if (legacy && (model.has("neck") || body->features().size() > 1)) {
    throw model.error("legacy", "is of the time before pyramids: one map of the backbone, and no neck");
  }
  if (!model.has("neck")) return feature_extractor(std::move(body));
  const auto node = model.child("neck");
  auto neck = built(model, "neck", "its channels", [&] {
    return necks().make(node, {.features = body->features(), .body = body, .another_body = make_body});
  });
  check_levels(neck->features(), node.require("type"));
  return feature_extractor(std::move(body), std::move(neck), node.require("type"));
}

int64_t read_size_divisor(const config::Node& model, const FeatureExtractorImpl& extractor) {
  int64_t divisor = read_convention(model) == boxes::Convention::pixels
                        ? 1
                        : std::max<int64_t>(32, extractor.size_divisor());
  model.read("size_divisor", divisor, {.min = 1, .max = 1024});
  return divisor;
}

}  // namespace rcnn::nn
