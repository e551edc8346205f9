#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include <rcnn/data/dataset.h>

inline constexpr int64_t kSide = 96;

/// Dark images with one bright square or wide bar each, painted when they are asked for.
class Blocks : public rcnn::data::Dataset {
 public:
  explicit Blocks(int64_t size) {
    std::mt19937 random(7);
    for (int64_t i = 0; i < size; ++i) {
      const bool bar = i % 2 == 1;
      const float width = bar ? 48 : 32, height = bar ? 20 : 32;
      const float x = random() % int(kSide - width), y = random() % int(kSide - height);
      auto& record = records_.emplace_back();
      record.id = std::to_string(i);
      record.size = {.height = kSide, .width = kSide};
      record.objects = {{.box = {x, y, x + width, y + height}, .label = bar ? 2 : 1}};
    }
  }

  int64_t size() const override { return std::ssize(records_); }
  const rcnn::data::Record& record(int64_t index) const override { return records_.at(index); }
  const std::vector<rcnn::Category>& categories() const override { return categories_; }

  at::Tensor image(int64_t index) const override {
    auto pixels = at::full({kSide, kSide, 3}, 60, at::kByte);
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
