#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/printable.h>

namespace rcnn::data {

at::Tensor Dataset::image(int64_t index) const {
  return read_image(record(index).image);
}

void check_labels(const Dataset& dataset) {
  const auto count = std::ssize(dataset.categories());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const auto& object : dataset.record(i).objects) {
      if (object.label >= 1 && object.label <= count) continue;
      throw DataError(
          fmt::format("record {}: an object has the label {}, and the data set has {} categories: "
                      "labels go from 1 to {}",
                      dataset.record(i).id, object.label, count, count));
    }
  }
}

at::Tensor checked_image(const Dataset& dataset, int64_t index) {
  auto image = dataset.image(index);
  const auto& record = dataset.record(index);
  const ImageSize size{image.size(0), image.size(1)};
  if (record.size == ImageSize{} || record.size == size) return image;
  throw DataError(
      fmt::format("{}: has {} x {} pixels, and had {} x {} when the data set was read: its boxes no longer "
                  "fit; put the earlier image back, or begin again with the data as they are now",
                  record.image.empty() ? "the image of record " + record.id : record.image.string(),
                  size.width, size.height, record.size.width, record.size.height));
}

std::vector<ClassCount> class_counts(const Dataset& dataset) {
  std::vector<ClassCount> counts;
  for (const Category& category : dataset.categories()) counts.push_back({.name = category.name});
  ClassCount all{.name = "all", .images = dataset.size()};
  for (int64_t i = 0; i < dataset.size(); ++i) {
    std::vector<bool> here(counts.size());
    for (const Object& object : dataset.record(i).objects) {
      const auto label = static_cast<size_t>(object.label - 1);
      here.at(label) = true;
      for (ClassCount* count : {&counts[label], &all}) ++(object.ignore ? count->ignored : count->boxes);
    }
    for (size_t label = 0; label < counts.size(); ++label) counts[label].images += here[label];
  }
  counts.push_back(std::move(all));
  return counts;
}

std::string to_table(const std::vector<ClassCount>& counts) {
  size_t width = std::string_view("class").size();
  for (const ClassCount& row : counts) width = std::max(width, printable(row.name).size());
  std::string table = fmt::format("{:{}} {:>8} {:>8} {:>8}\n", "class", width, "images", "boxes", "ignored");
  for (const ClassCount& row : counts) {
    table += fmt::format("{:{}} {:>8} {:>8} {:>8}\n", printable(row.name), width, row.images, row.boxes,
                         row.ignored);
  }
  return table;
}

}  // namespace rcnn::data
