// register_format OUTPUT: a data set in a format of one's own, found by its name in a config: boxes.csv, with
// a line FILE,X1,Y1,X2,Y2,CLASS for each object, beside the images.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <rcnn/data/formats/format.h>
#include <rcnn/data/images/image.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/rcnn.h>

#include "blocks.h"

namespace {

namespace fs = std::filesystem;
using namespace rcnn;

class Table : public data::Dataset {
 public:
  Table(std::vector<data::Record> records, std::vector<Category> categories)
      : records_(std::move(records)), categories_(std::move(categories)) {}

  int64_t size() const override { return std::ssize(records_); }
  const data::Record& record(int64_t index) const override { return records_.at(index); }
  const std::vector<Category>& categories() const override { return categories_; }

 private:
  std::vector<data::Record> records_;
  std::vector<Category> categories_;
};

struct Row {
  std::string file, class_name;
  Box box;
};

std::vector<Row> rows_of(const fs::path& table) {
  std::ifstream lines(table);
  if (!lines) throw DataError(table.string() + ": cannot be read");
  std::vector<Row> rows;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string corner;
    Row row;
    std::getline(fields, row.file, ',');
    for (float* place : {&row.box.x1, &row.box.y1, &row.box.x2, &row.box.y2}) {
      std::getline(fields, corner, ',');
      *place = std::stof(corner);
    }
    std::getline(fields, row.class_name);
    rows.push_back(row);
  }
  return rows;
}

std::shared_ptr<data::Dataset> open_table(const data::DataOptions& options, const data::SplitOptions&,
                                          data::Problems& problems) {
  const auto rows = rows_of(options.root / "boxes.csv");
  std::set<std::string> names;
  for (const auto& row : rows) names.insert(row.class_name);
  std::vector<Category> categories;
  std::map<std::string, int64_t> labels;
  for (const auto& name : names) {
    categories.push_back({.id = std::ssize(categories) + 1, .name = name});
    labels[name] = categories.back().id;
  }
  std::map<std::string, data::Record> records;
  for (const auto& row : rows) {
    auto& record = records[row.file];
    record.id = row.file;
    record.image = options.root / row.file;
    if (record.objects.empty()) {
      const auto pixels = data::read_image(record.image);
      record.size = {.height = pixels.size(0), .width = pixels.size(1)};
    }
    if (row.box.x2 <= row.box.x1 || row.box.y2 <= row.box.y1) {
      problems.bad(options.bad_boxes, "bad_boxes", "a box without size", row.file);
      continue;
    }
    record.objects.push_back({.box = row.box, .label = labels.at(row.class_name)});
  }
  std::vector<data::Record> list;
  for (auto& [file, record] : records) list.push_back(std::move(record));
  return std::make_shared<Table>(std::move(list), std::move(categories));
}

void write_table(const fs::path& folder, const data::Dataset& dataset) {
  fs::create_directories(folder);
  std::ofstream table(folder / "boxes.csv");
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    const auto file = record.id + ".png";
    data::write_image(folder / file, dataset.image(i));
    for (const auto& [box, label, ignore] : record.objects) {
      table << file << ',' << box.x1 << ',' << box.y1 << ',' << box.x2 << ',' << box.y2 << ','
            << dataset.categories()[label - 1].name << '\n';
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const fs::path folder = argv[1];
  write_table(folder, Blocks(6));
  data::formats().add(
      "boxes_csv", {.read_split = [](const config::Node&, const data::DataOptions&, data::SplitOptions&) {},
                    .open = open_table});

  train::Trainer trainer(config::Config::parse(R"({
    "model": {"type": "faster_rcnn", "backbone": {"type": "vgg16", "width": 4}, "roi": {"head": {"hidden": 32}}},
    "data": {"type": "boxes_csv", "root": ")" + folder.string() +
                                                   R"(", "min_size": 96, "max_size": 96},
    "train": {"iterations": 1, "batch_size": 2}
  })",
                                               "boxes"));
  trainer.fit();
  const auto categories = trainer.described().categories;
  std::printf("%d iteration done on classes %s and %s\n", int(trainer.iteration()),
              categories.at(0).name.c_str(), categories.at(1).name.c_str());
  return categories.size() == 2 && categories[0].name == "bar" ? 0 : 1;
}
