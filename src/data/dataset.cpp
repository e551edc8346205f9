#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/printable.h>

namespace rcnn::data {

at::Tensor Dataset::image(int64_t index) const {
  return read_image(record(index).image);
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
