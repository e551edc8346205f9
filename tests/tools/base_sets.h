#pragma once

#include <array>
#include <filesystem>
#include <string>

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>

#include "tests/support/temp_folder.h"

namespace rcnn::tools {

/// Four images of 200 x 150, a cat or a dog on each, three times: v/ (VOC with lists train and test), c/
/// (COCO's gt.json beside the images), y/ (YOLO with classes.txt).
class BaseSets {
 public:
  BaseSets() {
    std::string images, annotations, ids;
    for (int64_t i = 1; i <= 4; ++i) {
      const auto& [x1, y1, x2, y2] = kBoxes[static_cast<size_t>(i - 1)];
      const std::string name = fmt::format("img{}", i), class_name = i % 2 == 1 ? "dog" : "cat";
      auto pixels = at::full({150, 200, 3}, 60, at::kByte);
      pixels.slice(0, y1, y2).slice(1, x1, x2).fill_(200 + 10 * i);
      for (const char* folder : {"v/JPEGImages", "c", "y/images/train"}) {
        const auto file = folder_.write(fmt::format("{}/{}.png", folder, name), "");
        data::write_image(file, pixels);
      }
      folder_.write(fmt::format("v/Annotations/{}.xml", name), voc_xml(name, class_name, {x1, y1, x2, y2}));
      const char* comma = i == 1 ? "" : ", ";
      images += fmt::format(R"({}{{"id": {}, "file_name": "{}.png", "width": 200, "height": 150}})", comma, i,
                            name);
      annotations += fmt::format(
          R"({}{{"id": {}, "image_id": {}, "category_id": {}, "iscrowd": 0, "area": {}, "bbox": [{}, {}, {}, {}]}})",
          comma, i, i, i % 2 + 1, (x2 - x1) * (y2 - y1), x1, y1, x2 - x1, y2 - y1);
      folder_.write(fmt::format("y/labels/train/{}.txt", name),
                    fmt::format("{} {} {} {} {}\n", i % 2, double(x1 + x2) / 400, double(y1 + y2) / 300,
                                double(x2 - x1) / 200, double(y2 - y1) / 150));
      ids += name + "\n";
    }
    for (const char* list : {"train", "test"})
      folder_.write(fmt::format("v/ImageSets/Main/{}.txt", list), ids);
    folder_.write("c/gt.json", fmt::format(R"({{"images": [{}], "annotations": [{}], "categories": )"
                                           R"([{{"id": 1, "name": "cat"}}, {{"id": 2, "name": "dog"}}]}})",
                                           images, annotations));
    folder_.write("y/classes.txt", "cat\ndog\n");
  }

  /// What labelImg would write, boxes from 0 and exclusive.
  static std::string voc_xml(const std::string& name, const std::string& class_name,
                             const std::array<int64_t, 4>& box) {
    return fmt::format(
        "<annotation><filename>{}.png</filename><size><width>200</width><height>150</height><depth>3</depth>"
        "</size><object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}"
        "</xmax><ymax>{}</ymax></bndbox></object></annotation>",
        name, class_name, box[0] + 1, box[1] + 1, box[2], box[3]);
  }

  static constexpr std::array<std::array<int64_t, 4>, 4> kBoxes = {
      {{20, 30, 100, 110}, {60, 20, 180, 140}, {5, 5, 70, 60}, {90, 40, 190, 120}}};

  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  std::string read(const std::string& name) const { return file_bytes(path(name)); }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    return folder_.write(name, text);
  }

  /// Replaces a text in a file; false when it is not there.
  bool replace(const std::string& name, const std::string& from, const std::string& to) const {
    auto text = read(name);
    const auto place = text.find(from);
    if (place == std::string::npos) return false;
    write(name, text.replace(place, from.size(), to));
    return true;
  }

 private:
  TempFolder folder_;
};

}  // namespace rcnn::tools
