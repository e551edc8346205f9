#include "nn/weights/caffe_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/printable.h>

namespace rcnn::nn {
namespace {

constexpr std::string_view kBlobs = ".blobs.";
constexpr std::array<std::string_view, 2> kLeaves = {".weight", ".bias"};  // of blob 0 and 1

enum class CaffeLayer {
  conv,
  linear,
  anchor_scores,  ///< of an anchor two, background's and the object's, all backgrounds' first
  box_deltas,     ///< in pixels' units, which ours are divided by the box weights
};

/// A layer under the names of both.
struct NamedLayer {
  std::string caffe, torchvision;
  CaffeLayer kind;
};

/// What of a network decides what its layers are called.
struct CaffeNetwork {
  bool detector = false;  ///< otherwise a classification network
  bool vgg16 = false;     ///< otherwise one that torchvision does not have
};

std::vector<NamedLayer> layers_of(const CaffeNetwork& network) {
  const bool detector = network.detector;
  const std::string body = detector ? "backbone.body." : "", head = "roi_heads.box_head.";
  std::vector<NamedLayer> layers;
  // ZF and VGG_CNN_M_1024
  for (int i = 1; i <= 5; ++i) {
    const auto name = fmt::format("conv{}", i);
    layers.push_back({name, body + name, CaffeLayer::conv});
  }
  // VGG16, whose places torchvision numbers, ReLUs and poolings included
  constexpr std::array kConvsOfStage = {2, 2, 3, 3, 3};
  int place = 0;
  for (size_t stage = 0; stage < kConvsOfStage.size(); ++stage, ++place) {
    for (int i = 1; i <= kConvsOfStage[stage]; ++i, place += 2) {
      layers.push_back({fmt::format("conv{}_{}", stage + 1, i), fmt::format("{}features.{}", body, place),
                        CaffeLayer::conv});
    }
  }
  constexpr std::array<std::pair<const char*, const char*>, 3> kLinear = {
      {{"fc6", "classifier.0"}, {"fc7", "classifier.3"}, {"fc8", "classifier.6"}}};
  for (const auto& [name, torchvision] : kLinear) {
    const bool classes =
        std::string_view(name) == "fc8";  // of ImageNet, which nobody but torchvision's VGG16 wants
    if (!detector && (network.vgg16 || !classes))
      layers.push_back({name, network.vgg16 ? torchvision : name, CaffeLayer::linear});
    if (!detector || classes) continue;
    for (const auto* factor : {"", "_L", "_U"})  // in two factors where it was compressed
      layers.push_back(
          {fmt::format("{}{}", name, factor), fmt::format("{}{}{}", head, name, factor), CaffeLayer::linear});
  }
  layers.push_back({"rpn_conv/3x3", "rpn.head.conv.0.0", CaffeLayer::conv});
  layers.push_back({"rpn_conv1", "rpn.head.conv.0.0", CaffeLayer::conv});  // ZF's, trained in four steps
  layers.push_back({"rpn_cls_score", "rpn.head.cls_logits", CaffeLayer::anchor_scores});
  layers.push_back({"rpn_bbox_pred", "rpn.head.bbox_pred", CaffeLayer::conv});
  layers.push_back({"cls_score", "roi_heads.box_predictor.cls_score", CaffeLayer::linear});
  layers.push_back({"bbox_pred", "roi_heads.box_predictor.bbox_pred", CaffeLayer::box_deltas});
  return layers;
}

/// "conv1.blobs.0" -> {"conv1", 0}
std::optional<std::pair<std::string, size_t>> caffe_blob(const std::string& name) {
  const auto at = name.rfind(kBlobs);
  if (at == std::string::npos) return std::nullopt;
  const auto number = name.substr(at + kBlobs.size());
  return std::pair(name.substr(0, at), number == "0"   ? size_t{0}
                                       : number == "1" ? size_t{1}
                                                       : kLeaves.size());
}

WeightsError misshaped(const std::string& name, const at::Tensor& tensor, std::string_view what) {
  return WeightsError(
      printable(fmt::format("{}: [{}] is no shape of {}", name, fmt::join(tensor.sizes(), ", "), what)));
}

/// [O, I] of a fully connected layer, which older files write [1, 1, O, I], and networks that were made
/// convolutional [O, C, H, W].
at::Tensor matrix_of(const std::string& name, const at::Tensor& weight) {
  if (weight.dim() < 2 || weight.size(0) == 0) throw misshaped(name, weight, "a fully connected layer");
  const bool older = weight.dim() == 4 && weight.size(0) == 1 && weight.size(1) == 1;
  return older ? weight.reshape({weight.size(2), weight.size(3)}) : weight.flatten(1);
}

/// What the rows of deltas are to be multiplied by: [4 * boxes, 1, ...], like `tensor`.
at::Tensor box_factors(const std::string& name, const at::Tensor& tensor, const WeightNamesOptions& options) {
  if (tensor.dim() == 0 || tensor.size(0) % 4 != 0)
    throw misshaped(name, tensor, "boxes: rows in groups of 4");
  std::vector<int64_t> shape(static_cast<size_t>(tensor.dim()), 1);
  shape[0] = tensor.size(0);
  const auto weights = at::tensor(options.box_weights, tensor.options());
  return weights.repeat({tensor.size(0) / 4}).view(shape);
}

at::Tensor from_blob_of(const NamedLayer& layer, const std::string& name, size_t leaf, const at::Tensor& blob,
                        const WeightNamesOptions& options) {
  const bool linear = layer.kind == CaffeLayer::linear || layer.kind == CaffeLayer::box_deltas;
  if (leaf == 0 && !linear && blob.dim() != 4) throw misshaped(name, blob, "a convolution");
  const auto tensor = leaf == 1 ? blob.flatten() : linear ? matrix_of(name, blob) : blob;
  if (layer.kind == CaffeLayer::box_deltas) return tensor * box_factors(name, tensor, options);
  if (layer.kind != CaffeLayer::anchor_scores) return tensor;
  if (tensor.size(0) == 0 || tensor.size(0) % 2 != 0) throw misshaped(name, tensor, "two scores an anchor");
  const auto halves = tensor.chunk(2);
  return halves[1] - halves[0];  // a softmax over two is the sigmoid of their difference
}

at::Tensor to_blob_of(const NamedLayer& layer, const std::string& name, const at::Tensor& tensor,
                      const WeightNamesOptions& options) {
  if (layer.kind == CaffeLayer::box_deltas) return tensor / box_factors(name, tensor, options);
  if (layer.kind == CaffeLayer::anchor_scores) return at::cat({at::zeros_like(tensor), tensor});
  return tensor;
}

}  // namespace

bool has_caffe_names(const TensorMap& tensors) {
  return !tensors.empty() &&
         std::ranges::all_of(tensors, [](const auto& entry) { return caffe_blob(entry.first).has_value(); });
}

RenamedWeights from_caffe(const TensorMap& tensors, const WeightNamesOptions& options) {
  const auto layers = layers_of(
      {.detector = tensors.contains("cls_score.blobs.0") || tensors.contains("rpn_cls_score.blobs.0"),
       .vgg16 = tensors.contains("conv1_1.blobs.0")});
  RenamedWeights result;
  for (const auto& [name, blob] : tensors) {
    const auto parts = caffe_blob(name);
    const auto layer = std::ranges::find(layers, parts ? parts->first : name, &NamedLayer::caffe);
    if (!parts || parts->second == kLeaves.size() || layer == layers.end()) {
      result.left_out.push_back(parts ? parts->first : name);
      continue;
    }
    const auto ours = fmt::format("{}{}", layer->torchvision, kLeaves[parts->second]);
    if (!result.tensors.emplace(ours, from_blob_of(*layer, name, parts->second, blob, options)).second)
      throw WeightsError(fmt::format("{} and another layer are both {}", name, ours));
  }
  return result;
}

RenamedWeights to_caffe(const TensorMap& tensors, const WeightNamesOptions& options) {
  const auto layers = layers_of({.detector = tensors.contains("rpn.head.cls_logits.weight") ||
                                             tensors.contains("roi_heads.box_predictor.cls_score.weight"),
                                 .vgg16 = tensors.contains("features.0.weight")});
  RenamedWeights result;
  std::map<std::string, std::pair<const NamedLayer*, size_t>> places;
  for (const auto& layer : layers) {
    for (size_t leaf = 0; leaf < kLeaves.size(); ++leaf)
      places.emplace(fmt::format("{}{}", layer.torchvision, kLeaves[leaf]), std::pair(&layer, leaf));
  }
  for (const auto& [name, tensor] : tensors) {
    const auto place = places.find(name);
    if (place == places.end()) {
      result.left_out.push_back(name);
      continue;
    }
    const auto& [layer, leaf] = place->second;
    result.tensors.emplace(fmt::format("{}{}{}", layer->caffe, kBlobs, leaf),
                           to_blob_of(*layer, name, tensor, options));
  }
  return result;
}

}  // namespace rcnn::nn
