// register_backbone OUTPUT: a detector on a backbone of one's own, from one training step to a detection.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/modules.h>

#include <rcnn/data/images/image.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/registry.h>
#include <rcnn/rcnn.h>

#include "blocks.h"

namespace {

/// Three convolutions, each with a stride of 2: one map of stride 8.
class MyNetImpl : public rcnn::nn::BackboneImpl {
 public:
  explicit MyNetImpl(int64_t width) : width_(width) {
    for (int64_t channels = 3; body_->size() < 6; channels = width) {
      body_->push_back(torch::nn::Conv2d(torch::nn::Conv2dOptions(channels, width, 3).stride(2).padding(1)));
      body_->push_back(torch::nn::ReLU());
    }
    register_module("body", body_);
  }

  std::vector<at::Tensor> forward(const at::Tensor& images) override { return {body_->forward(images)}; }
  std::vector<rcnn::nn::FeatureSpec> features() const override {
    return {{.name = "c3", .channels = width_, .stride = 8}};
  }

 private:
  int64_t width_;
  torch::nn::Sequential body_;
};

std::shared_ptr<rcnn::nn::BackboneImpl> make_mynet(const rcnn::config::Node& node) {
  int64_t width = 64;
  node.read("width", width, {.min = 1});
  return std::make_shared<MyNetImpl>(width);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path output = argv[1];
  rcnn::nn::backbones().add("mynet", make_mynet);

  std::filesystem::create_directories(output);
  const auto blocks = std::make_shared<Blocks>(4);
  const auto config = rcnn::config::Config::parse(R"({
    "model": {"type": "faster_rcnn", "backbone": {"type": "mynet", "width": 16},
              "roi": {"head": {"type": "mlp", "hidden": 32}}},
    "data": {"min_size": 96, "max_size": 96},
    "train": {"iterations": 1, "batch_size": 2}
  })",
                                                  "mynet");
  rcnn::train::Trainer trainer(config, blocks);
  trainer.fit();
  rcnn::nn::save_model(output / "mynet.safetensors", trainer.described());

  rcnn::data::write_image(output / "example.png", blocks->image(0));
  const auto detector = rcnn::Detector::load(output / "mynet.safetensors");
  const auto found = detector.detect(output / "example.png");
  std::printf("%d iteration done, %d objects found\n", int(trainer.iteration()), int(found.size()));
}
