#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/data/dataset.h>
#include <rcnn/train/trainer.h>

#include "tests/support/resident_memory.h"
#include "tests/support/tiny_model.h"

namespace rcnn::train {
namespace {

/// Images of many sizes, made when they are asked for, so that nothing but the training lives on.
class ManySizes : public data::Dataset {
 public:
  ManySizes() {
    for (int64_t i = 0; i < 60; ++i) {
      const ImageSize size{.height = 32 + 32 * (i % 5), .width = 32 + 32 * (i % 6)};
      const auto right = static_cast<float>(size.width - 4), bottom = static_cast<float>(size.height - 4);
      records_.push_back(
          {.id = std::to_string(i), .image = {}, .size = size, .objects = {{{4, 4, right, bottom}, 1}}});
    }
  }
  int64_t size() const override { return std::ssize(records_); }
  const data::Record& record(int64_t index) const override { return records_[static_cast<size_t>(index)]; }
  const std::vector<Category>& categories() const override { return categories_; }
  at::Tensor image(int64_t index) const override {
    const auto [height, width] = record(index).size;
    return at::full({height, width, 3}, index, at::kByte);
  }

 private:
  std::vector<data::Record> records_;
  std::vector<Category> categories_{{1, "thing"}};
};

TEST(Memory, StaysWhereItIsOverThousandsOfIterationsOfChangingSizes) {
  TrainOptions options;
  options.iterations = 2000;
  options.batch_size = 1;
  options.schedule.lr = 1e-4;
  options.log_period = 10;
  Trainer trainer(bare(tiny_model(1)), std::make_shared<ManySizes>(),
                  {.max_size = 160, .flip = 0.5, .min_sizes = {32, 48, 64}}, {.workers = 1}, options,
                  at::kCPU);
  std::vector<double> resident;
  trainer.fit({.on_progress = [&](const Progress&) { resident.push_back(test::resident_bytes()); },
               .on_checkpoint = {}});
  ASSERT_EQ(resident.size(), 200u);
  const std::vector<double> second_half(resident.begin() + 100, resident.end());
  // A page is 4096 bytes and an allocator settles slowly: 1000 iterations may move it by a megabyte. The
  // smallest leak to fear, the boxes of a hundred anchors kept in each iteration, is 1600 bytes.
  EXPECT_LT(test::slope(second_half, static_cast<double>(options.log_period)), 1000)
      << "bytes an iteration; resident " << resident[100] << " to " << resident.back();
}

}  // namespace
}  // namespace rcnn::train
