#pragma once

#include <utility>

#include <rcnn/data/dataset.h>

namespace rcnn::data {

/// A data set whose images are files.
class RecordList : public Dataset {
 public:
  RecordList(std::vector<Record> records, std::vector<Category> categories)
      : records_(std::move(records)), categories_(std::move(categories)) {}

  int64_t size() const override { return static_cast<int64_t>(records_.size()); }
  const Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return categories_; }

 private:
  std::vector<Record> records_;
  std::vector<Category> categories_;
};

}  // namespace rcnn::data
