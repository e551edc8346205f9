// train_custom_dataset OUTPUT: trains a small detector on images that no file holds, keeps its weights,
// detects with them.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <vector>

#include <ATen/ATen.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/image.h>
#include <rcnn/nn/model_file.h>
#include <rcnn/rcnn.h>

namespace {

constexpr int64_t kSide = 96;

/// Images of noise with one bright square or wide bar each, painted when they are asked for.
class Blocks : public rcnn::data::Dataset {
 public:
  explicit Blocks(int64_t size) {
    std::mt19937 random(7);
    for (int64_t i = 0; i < size; ++i) {
      const bool bar = i % 2 == 1;
      const float width = bar ? 48 : 32, height = bar ? 20 : 32;
      const float x = random() % int(kSide - width), y = random() % int(kSide - height);
      records_.push_back({.id = std::to_string(i),
                          .size = {.height = kSide, .width = kSide},
                          .objects = {{.box = {x, y, x + width, y + height}, .label = bar ? 2 : 1}}});
    }
  }

  int64_t size() const override { return std::ssize(records_); }
  const rcnn::data::Record& record(int64_t index) const override { return records_.at(index); }
  const std::vector<rcnn::Category>& categories() const override { return categories_; }

  at::Tensor image(int64_t index) const override {
    auto pixels = at::randint(90, {kSide, kSide, 3}, at::kByte);
    for (const auto& object : record(index).objects) {
      const auto& box = object.box;
      pixels.slice(0, int64_t(box.y1), int64_t(box.y2)).slice(1, int64_t(box.x1), int64_t(box.x2)).fill_(220);
    }
    return pixels;
  }

 private:
  std::vector<rcnn::data::Record> records_;
  std::vector<rcnn::Category> categories_ = {{.id = 1, .name = "square"}, {.id = 2, .name = "bar"}};
};

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
