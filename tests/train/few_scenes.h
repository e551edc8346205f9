#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/train/trainer.h>

#include "tests/support/temp_folder.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::train {

/// Five drawn images; training the tiny model on them takes fractions of a second.
class FewScenes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    tools::draw_scenes(folder_->path() / "scenes", {.train = 5, .test = 1, .size = {64, 96}, .seed = 3});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::shared_ptr<data::Dataset> images(int64_t limit = 0) {
    return data::read_voc({.root = folder_->path() / "scenes", .limit = limit});
  }

  static inline std::unique_ptr<TempFolder> folder_;
};

inline TrainOptions few_iterations(int64_t iterations) {
  TrainOptions options;
  options.iterations = iterations;
  options.batch_size = 2;
  options.schedule.lr = 0.01;
  options.seed = 7;
  options.log_period = 1;
  return options;
}

inline bool same_weights(const torch::nn::Module& a, const torch::nn::Module& b) {
  const auto other = nn::state_of(b);
  for (const auto& [name, tensor] : nn::state_of(a)) {
    if (!at::equal(tensor, other.at(name))) return false;
  }
  return true;
}

/// A data set of which some images cannot be decoded.
class Damaged : public data::Dataset {
 public:
  Damaged(std::shared_ptr<data::Dataset> whole, std::set<int64_t> bad)
      : whole_(std::move(whole)), bad_(std::move(bad)) {}
  int64_t size() const override { return whole_->size(); }
  const data::Record& record(int64_t index) const override { return whole_->record(index); }
  const std::vector<Category>& categories() const override { return whole_->categories(); }
  at::Tensor image(int64_t index) const override {
    if (bad_.contains(index)) throw DataError(std::to_string(index) + ".jpg: is damaged");
    return whole_->image(index);
  }

 private:
  std::shared_ptr<data::Dataset> whole_;
  std::set<int64_t> bad_;
};

}  // namespace rcnn::train
