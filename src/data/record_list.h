#pragma once

#include <utility>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>

namespace rcnn::data {

/// A data set whose images are files.
class RecordList : public Dataset {
 public:
  RecordList(std::vector<Record> records, std::vector<Category> categories,
             int64_t max_megapixels = kMaxMegapixels)
      : records_(std::move(records)), categories_(std::move(categories)), max_megapixels_(max_megapixels) {}

  int64_t size() const override { return static_cast<int64_t>(records_.size()); }
  const Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return categories_; }
  at::Tensor image(int64_t index) const override { return read_image(record(index).image, max_megapixels_); }

 private:
  std::vector<Record> records_;
  std::vector<Category> categories_;
  int64_t max_megapixels_;
};

}  // namespace rcnn::data
