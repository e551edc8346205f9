#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/data/dataset.h>
#include <rcnn/train/trainer.h>

#include "tests/support/resident_memory.h"
#include "tests/support/tiny_model.h"
#include "tests/train/training_of.h"

namespace rcnn::train {
namespace {

/// Images of many sizes, made when they are asked for, so that nothing but the training lives on.
class ManySizes : public data::Dataset {
 public:
  ManySizes(int64_t images, int64_t heights, int64_t widths) {
    for (int64_t i = 0; i < images; ++i) {
      const ImageSize size{.height = 32 + 32 * (i % heights), .width = 32 + 32 * (i % widths)};
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

struct LongRun {
  int64_t epochs = 0, heights = 0, widths = 0;
  std::vector<int64_t> min_sizes;
  double (*bytes_in_use)() = nullptr;
};

/// In each epoch the same images come in another order: memory is compared where it is lowest.
void expect_memory_stays(const LongRun& run) {
  constexpr int64_t kImages = 60;
  TrainOptions options;
  options.epochs = run.epochs;
  options.batch_size = 1;
  options.schedule.lr = 1e-4;
  options.log_period = 1;
  Trainer trainer(
      training_of(bare(tiny_model(1)), std::make_shared<ManySizes>(kImages, run.heights, run.widths),
                  {.max_size = 160, .flip = 0.5, .min_sizes = run.min_sizes}, {.workers = 1}, options));
  std::vector<double> lowest;
  trainer.fit({.on_progress =
                   [&](const Progress& progress) {
                     const double bytes = run.bytes_in_use();
                     const auto epoch = static_cast<size_t>(progress.epoch);
                     if (lowest.size() < epoch) lowest.push_back(bytes);
                     lowest.back() = std::min(lowest.back(), bytes);
                   },
               .on_checkpoint = {}});
  ASSERT_EQ(std::ssize(lowest), run.epochs);
  const std::vector<double> second_half(lowest.begin() + run.epochs / 2, lowest.end());
  // A page is 4096 bytes and an allocator settles slowly: 1000 iterations may move it by a megabyte. The
  // smallest leak to fear, the boxes of a hundred anchors kept in each iteration, is 1600 bytes.
  EXPECT_LT(test::slope(second_half, kImages), 1000)
      << "bytes an iteration; in use " << testing::PrintToString(lowest);
}

// To the byte, and of few sizes: what oneDNN keeps for each is there after the first epoch.
TEST(Memory, OfTheHeapStaysWhereItIs) {
  expect_memory_stays(
      {.epochs = 6, .heights = 2, .widths = 3, .min_sizes = {48}, .bytes_in_use = test::heap_bytes});
}

TEST(Memory, StaysWhereItIsOverThousandsOfIterationsOfChangingSizesNightly) {
  expect_memory_stays({.epochs = 34,
                       .heights = 5,
                       .widths = 6,
                       .min_sizes = {32, 48, 64},
                       .bytes_in_use = test::resident_bytes});
}

}  // namespace
}  // namespace rcnn::train
