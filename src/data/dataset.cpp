#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/image.h>

namespace rcnn::data {

at::Tensor Dataset::image(int64_t index) const {
  return read_image(record(index).image);
}

std::string class_table(const Dataset& dataset) {
  struct Row {
    std::string name;
    int64_t images = 0, boxes = 0, ignored = 0;
  };
  std::vector<Row> rows;
  for (const Category& category : dataset.categories()) rows.push_back({.name = category.name});
  Row all{.name = "all", .images = dataset.size()};
  for (int64_t i = 0; i < dataset.size(); ++i) {
    std::vector<bool> here(rows.size());
    for (const Object& object : dataset.record(i).objects) {
      const auto label = static_cast<size_t>(object.label - 1);
      here.at(label) = true;
      for (Row* row : {&rows[label], &all}) ++(object.ignore ? row->ignored : row->boxes);
    }
    for (size_t label = 0; label < rows.size(); ++label) rows[label].images += here[label];
  }
  rows.push_back(all);

  size_t width = std::string_view("class").size();
  for (const Row& row : rows) width = std::max(width, row.name.size());
  std::string table = fmt::format("{:{}} {:>8} {:>8} {:>8}\n", "class", width, "images", "boxes", "ignored");
  for (const Row& row : rows) {
    table += fmt::format("{:{}} {:>8} {:>8} {:>8}\n", row.name, width, row.images, row.boxes, row.ignored);
  }
  return table;
}

}  // namespace rcnn::data
