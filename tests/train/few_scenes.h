#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

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

/// A data set with proposals: six near each object, so that each class has some that differ, and four others.
class WithProposals : public data::Dataset {
 public:
  explicit WithProposals(const std::shared_ptr<const data::Dataset>& whole) : whole_(whole) {
    for (int64_t i = 0; i < whole->size(); ++i) {
      auto record = whole->record(i);
      auto& proposals = record.proposals.emplace();
      for (const auto& object : record.objects) {
        for (int near = 0; near < 6; ++near) {
          const auto shift = static_cast<float>(near - 2);
          proposals.push_back({object.box.x1 + shift, object.box.y1 - shift / 2, object.box.x2 + 1,
                               object.box.y2 + shift / 3});
        }
      }
      for (const float corner : {0.0F, 10.0F, 20.0F, 30.0F}) {
        proposals.push_back({corner, corner / 2, corner + 30, corner / 2 + 20});
      }
      records_.push_back(std::move(record));
    }
  }
  int64_t size() const override { return whole_->size(); }
  const data::Record& record(int64_t index) const override { return records_[static_cast<size_t>(index)]; }
  const std::vector<Category>& categories() const override { return whole_->categories(); }

 private:
  std::shared_ptr<const data::Dataset> whole_;
  std::vector<data::Record> records_;
};

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
