// train_segmenter OUTPUT: a model for a second task, saying of each pixel what it shows: trained by the same
// trainer, kept in the same kind of file, found by its name in a config.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include <torch/nn/functional.h>
#include <torch/nn/modules.h>

#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/models/segmentation_model.h>
#include <rcnn/nn/registry.h>
#include <rcnn/rcnn.h>

#include "blocks.h"

namespace {

namespace F = torch::nn::functional;
using namespace rcnn;

/// Two convolutions of stride 2, class scores by a 1x1 convolution, and bilinear upsampling. Learns from
/// boxes that are filled by their objects.
class TinyFcnImpl : public nn::SegmentationModelImpl {
 public:
  TinyFcnImpl(const config::Node& model, int64_t num_classes)
      : pixels_(nn::PixelOptions::from(model.child("pixels"))) {
    for (const int64_t in : {3, 16}) {
      body_->push_back(torch::nn::Conv2d(torch::nn::Conv2dOptions(in, 16, 3).stride(2).padding(1)));
      body_->push_back(torch::nn::ReLU());
    }
    register_module("body", body_);
    score_ = register_module("score", torch::nn::Conv2d(torch::nn::Conv2dOptions(16, num_classes + 1, 1)));
  }

  std::vector<nn::Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) override {
    const auto scores = scores_of(images);
    auto labels =
        at::zeros({scores.size(0), scores.size(2), scores.size(3)}, scores.options().dtype(at::kLong));
    for (size_t image = 0; image < targets.size(); ++image) {
      const auto boxes = targets[image].boxes.round().to(at::kLong).cpu();
      for (int64_t i = 0; i < boxes.size(0); ++i) {
        const auto corner = [&](int64_t c) { return boxes[i][c].item<int64_t>(); };
        labels[static_cast<int64_t>(image)]
            .slice(0, corner(1), corner(3))
            .slice(1, corner(0), corner(2))
            .fill_(targets[image].labels[i]);
      }
    }
    return {{"loss_pixels", F::cross_entropy(scores, labels)}};
  }

  std::vector<at::Tensor> segment(const ImageBatch& images) override {
    const auto best = scores_of(images).argmax(1).to(at::kByte);
    std::vector<at::Tensor> maps;
    for (size_t image = 0; image < images.sizes.size(); ++image) {
      const auto [height, width] = images.sizes[image];
      maps.push_back(best[static_cast<int64_t>(image)].slice(0, 0, height).slice(1, 0, width));
    }
    return maps;
  }

  const nn::PixelOptions& pixels() const override { return pixels_; }
  bool depends_on_classes(std::string_view name) const override { return name.starts_with("score."); }

 private:
  at::Tensor scores_of(const ImageBatch& images) {
    const auto input = nn::network_input(images, pixels_, 4, score_->weight.options());
    const auto scores = score_->forward(body_->forward(input));
    return F::interpolate(scores, F::InterpolateFuncOptions()
                                      .size(std::vector<int64_t>{input.size(2), input.size(3)})
                                      .mode(torch::kBilinear)
                                      .align_corners(false));
  }

  nn::PixelOptions pixels_;
  torch::nn::Sequential body_;
  torch::nn::Conv2d score_ = nullptr;
};

std::shared_ptr<nn::ModelImpl> make_tiny_fcn(const config::Node& model, int64_t num_classes) {
  return std::make_shared<TinyFcnImpl>(model, num_classes);
}

constexpr const char* kConfig = R"({
  "model": {"type": "tiny_fcn"},
  "data": {"min_size": 96, "max_size": 96},
  "train": {"iterations": 150, "batch_size": 4, "lr": 0.05, "warmup_iterations": 10, "ema": 0.9}
})";

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path output = argv[1];
  std::filesystem::create_directories(output);
  nn::models().add("tiny_fcn", make_tiny_fcn);

  const auto blocks = std::make_shared<Blocks>(32);
  train::Trainer trainer(config::Config::parse(kConfig, "segmenter"), blocks);
  trainer.fit();
  nn::save_model(output / "segmenter.safetensors", trainer.described());

  const auto loaded = nn::load_model(output / "segmenter.safetensors").model;
  auto& segmenter = dynamic_cast<nn::SegmentationModelImpl&>(*loaded);
  segmenter.eval();
  const at::NoGradGuard no_grad;
  const auto image = blocks->image(0);
  const auto shown = segmenter.segment({.images = {image}, .sizes = {{kSide, kSide}}}).front();
  const auto is_object = image.select(2, 0) > 200;
  const double right = (shown > 0).eq(is_object).to(at::kFloat).mean().item<double>();
  std::printf("%.0f %% of the pixels are right about where the object is\n", 100 * right);
  try {
    Detector::load(output / "segmenter.safetensors");
  } catch (const ConfigError& error) {
    std::printf("a detector it is not: %s\n", error.what());
    return right > 0.95 ? 0 : 1;
  }
  return 1;
}
