// train_custom_dataset OUTPUT: trains a small detector on images that no file holds, keeps its weights,
// detects with them.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <rcnn/data/images/image.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/rcnn.h>

#include "blocks.h"

namespace {

constexpr const char* kConfig = R"({
  "model": {
    "type": "faster_rcnn",
    "backbone": {"type": "vgg16_bn", "width": 8, "frozen_stages": 0},
    "rpn": {"anchors": {"sizes": [32]}, "train": {"pre_nms": 200, "post_nms": 50}, "test": {"pre_nms": 100, "post_nms": 20}},
    "roi": {"pooler": {"type": "align", "size": 4}, "head": {"type": "mlp", "hidden": 32}, "batch_per_image": 32}
  },
  "data": {"min_size": 96, "max_size": 96},
  "train": {"iterations": 60, "batch_size": 4, "lr": 0.01, "log_period": 20}
})";

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path output = argv[1];
  std::filesystem::create_directories(output);

  const auto blocks = std::make_shared<Blocks>(64);
  rcnn::train::Trainer trainer(rcnn::config::Config::parse(kConfig, "blocks"), blocks);
  std::vector<double> losses;
  trainer.fit({.on_progress = [&](const rcnn::train::Progress& progress) {
    std::printf("iteration %d, loss %.3f\n", int(progress.iteration), progress.loss);
    losses.push_back(progress.loss);
  }});
  rcnn::nn::save_model(output / "weights.safetensors", trainer.described());

  rcnn::data::write_image(output / "example.png", blocks->image(0));
  const auto detector = rcnn::Detector::load(output / "weights.safetensors");
  const auto found = detector.detect(output / "example.png");
  std::printf("%d objects found\n", int(found.size()));
  return losses.size() == 3 && losses.back() < losses.front() ? 0 : 1;
}
