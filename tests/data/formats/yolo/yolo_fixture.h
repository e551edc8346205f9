#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/options.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>

#include "tests/data/formats/base_set.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {

/// A data set in YOLO's text files that a test writes.
class YoloFormatTest : public testing::Test {
 protected:
  /// A line of the four boxes, with six decimals as ultralytics and LabelImg write them.
  static std::string line(const base_set::Entry& entry) {
    const auto& [x1, y1, x2, y2] = entry.box;
    return fmt::format("{} {:.6f} {:.6f} {:.6f} {:.6f}\n", entry.class_name == "dog" ? 1 : 0, (x1 + x2) / 400,
                       (y1 + y2) / 300, (x2 - x1) / 200, (y2 - y1) / 150);
  }

  void picture(const std::string& file, int64_t width = base_set::kWidth,
               int64_t height = base_set::kHeight) {
    write_image(folder_.write(file, ""), at::full({height, width, 3}, 90, at::kByte));
  }

  /// The four images and their labels in these folders.
  void base(const std::string& images, const std::string& labels) {
    for (const auto& entry : base_set::entries()) {
      picture((std::filesystem::path(images) / (entry.id + ".png")).string());
      folder_.write(std::filesystem::path(labels) / (entry.id + ".txt"), line(entry));
    }
  }

  void text(const std::string& file, const std::string& bytes) { folder_.write(file, bytes); }

  std::filesystem::path place(const std::string& below) const {
    return below.empty() ? folder_.path() : folder_.path() / below;
  }

  std::vector<std::string> parts(const std::string& below = "") {
    std::vector<std::string> names;
    for (const auto& part : locate(place(below), said_)) names.push_back(part.name);
    return names;
  }

  /// The part as a training has it, and what is wrong with it in problems_.
  std::shared_ptr<Dataset> open(const std::string& name, const std::string& below = "") {
    problems_ = {};
    auto said = said_;
    said.splits = {name};
    const auto part = locate(place(below), said).at(0);
    EXPECT_EQ(part.options.type, "yolo");
    return data::open(part.options, part.split, problems_);
  }

  /// The part with its details.
  AnnotatedPart read(const std::string& name = "", const std::string& below = "") {
    problems_ = {};
    auto said = said_;
    if (!name.empty()) said.splits = {name};
    return read_parts(locate(place(below), said), problems_).at(0);
  }

  /// The part is the base set, and nothing is wrong with it.
  void expect_base(const std::string& name, const std::string& below = "") {
    const auto dataset = open(name, below);
    EXPECT_EQ(problems_.text(Severity::error), "");
    EXPECT_EQ(problems_.text(Severity::warning), "");
    base_set::expect_records(*dataset);
  }

  std::string errors() const { return problems_.text(Severity::error); }
  std::string warnings() const { return problems_.text(Severity::warning); }

  TempFolder folder_;
  LocateOptions said_;
  Problems problems_;
};

}  // namespace rcnn::data
