#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/torch.h>

#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/model_summary.h>
#include <rcnn/nn/models/segmentation_model.h>

#include "nn/models/product_counter.h"
#include "nn/weights/name_parts.h"

namespace rcnn::nn {
namespace {

/// What LibTorch's allocators say of the tensors that are made while it is set, see Peak.
class AllocationWatch : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* address, int64_t bytes, size_t, size_t, c10::Device) override {
    const std::lock_guard lock(mutex_);  // the backward pass has threads of its own on a GPU
    if (bytes > 0) {
      sizes_[address] = bytes;
      alive_ += bytes;
      peak_ = std::max(peak_, alive_);
    } else if (const auto made_here = sizes_.find(address); made_here != sizes_.end()) {
      alive_ -= made_here->second;
      sizes_.erase(made_here);
    }
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t peak() const { return peak_; }

 private:
  std::mutex mutex_;
  std::unordered_map<void*, int64_t> sizes_;
  int64_t alive_ = 0, peak_ = 0;
};

template <class Action>
int64_t peak_bytes(Action&& action) {
  const auto watch = std::make_shared<AllocationWatch>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, watch);
  action();
  return watch->peak();
}

// What Selective Search gives of a photograph, and the usual limit of those that are stored.
constexpr int64_t kGivenProposals = 2000;

ImageBatch grey_image(const ModelImpl& model, ImageSize size) {
  const auto device = model.parameters().front().device();
  ImageBatch batch{
      .images = {at::full({size.height, size.width, 3}, 127, at::device(device).dtype(at::kByte))},
      .sizes = {size}};
  if (const auto* const detector = dynamic_cast<const DetectionModelImpl*>(&model);
      detector && detector->needs_proposals()) {
    const auto whole =
        at::tensor({int64_t{0}, int64_t{0}, size.width, size.height}, at::device(device).dtype(at::kFloat));
    batch.proposals = {whole.expand({kGivenProposals, 4}).contiguous()};
  }
  return batch;
}

/// What the model is there for, whichever its kind.
void use(ModelImpl& model, const ImageBatch& images) {
  if (auto* const detector = dynamic_cast<DetectionModelImpl*>(&model)) {
    detector->detect(images);
  } else {
    auto* const segmenter = dynamic_cast<SegmentationModelImpl*>(&model);
    TORCH_CHECK(segmenter, "summarize: model: expected one that detects or segments");
    segmenter->segment(images);
  }
}

/// "a.b" of "a.b.weight"
std::string module_of(const std::string& parameter) {
  const auto dot = parameter.rfind('.');
  return dot == std::string::npos ? "" : parameter.substr(0, dot);
}

std::string part_of(const std::string& layer) {
  return std::string(first_words(layer, layer.starts_with("backbone.body.") ? 3 : 2));
}

void add(LayerSummary& sum, const LayerSummary& layer) {
  sum.parameters += layer.parameters;
  sum.trainable += layer.trainable;
  sum.multiply_adds += layer.multiply_adds;
  if (layer.last_call > sum.last_call) {
    sum.last_call = layer.last_call;
    sum.outputs = layer.outputs;
  }
}

std::vector<LayerSummary> layers_of(const torch::nn::Module& model) {
  std::vector<LayerSummary> layers;
  for (const auto& module : model.named_modules()) {
    LayerSummary layer{.name = module.key()};
    for (const auto& parameter : module.value()->parameters(/*recurse=*/false)) {
      layer.parameters += parameter.numel();
      if (parameter.requires_grad()) layer.trainable += parameter.numel();
    }
    if (layer.parameters > 0) layers.push_back(std::move(layer));
  }
  return layers;
}

void add_products(const std::vector<Product>& products, std::vector<LayerSummary>& layers) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < layers.size(); ++i) places.emplace(layers[i].name, i);
  for (size_t call = 0; call < products.size(); ++call) {
    const auto& [weight, output, multiply_adds] = products[call];
    const auto [place, fresh] = places.emplace(module_of(weight), layers.size());
    if (fresh) layers.push_back({.name = place->first});
    auto& layer = layers[place->second];
    layer.multiply_adds += multiply_adds;
    layer.outputs.push_back(output);
    layer.last_call = static_cast<int64_t>(call);
  }
}

}  // namespace

ModelSummary summarize(ModelImpl& model, ImageSize size) {
  const torch::NoGradGuard no_grad;
  model.eval();
  const auto image = grey_image(model, size);
  ModelSummary summary{.layers = layers_of(model)};
  for (const auto& [name, tensor] : state_of(model)) {
    const auto bytes = static_cast<int64_t>(tensor.nbytes());
    summary.weight_bytes += bytes;
    if (model.only_trains(name)) summary.spare_bytes += bytes;
  }
  {
    const ProductCounter counter(model);
    use(model, image);
    add_products(counter.products(), summary.layers);
  }
  summary.inference_bytes = peak_bytes([&] { use(model, image); });
  return summary;
}

int64_t training_bytes(ModelImpl& model, ImageSize size) {
  model.train();
  const auto image = grey_image(model, size);
  const auto height = static_cast<float>(size.height), width = static_cast<float>(size.width);
  // Nested boxes, the smallest an eighth of the image.
  std::vector<at::Tensor> boxes;
  for (const float share : {1.0F, 0.5F, 0.25F, 0.125F}) {
    boxes.push_back(at::tensor({0.0F, 0.0F, share * width, share * height}));
  }
  const auto device = image.images.front().device();
  const std::vector<Target> targets{{.boxes = at::stack(boxes).to(device),
                                     .labels = at::ones({4}, at::device(device).dtype(at::kLong)),
                                     .ignore = at::zeros({0, 4}, device)}};
  const auto peak = peak_bytes([&] {
    at::Tensor sum;
    for (const auto& loss : model.losses(image, targets)) {
      sum = sum.defined() ? sum + loss.value : loss.value;
    }
    sum.backward();
  });
  model.zero_grad();
  return peak;
}

std::vector<LayerSummary> parts(const std::vector<LayerSummary>& layers) {
  std::vector<LayerSummary> parts;
  for (const auto& layer : layers) {
    const auto name = part_of(layer.name);
    auto part =
        std::find_if(parts.begin(), parts.end(), [&](const auto& known) { return known.name == name; });
    if (part == parts.end()) part = parts.insert(part, {.name = name});
    add(*part, layer);
  }
  return parts;
}

LayerSummary total(const std::vector<LayerSummary>& layers) {
  LayerSummary sum{.name = "all"};
  for (const auto& layer : layers) add(sum, layer);
  sum.outputs.clear();
  return sum;
}

}  // namespace rcnn::nn
