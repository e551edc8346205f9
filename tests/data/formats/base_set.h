#pragma once

#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>

namespace rcnn::data::base_set {

struct Entry {
  std::string id, class_name;
  Box box;
};

inline constexpr int64_t kWidth = 200, kHeight = 150;

/// Four images with an object each, which every format's test writes as its own tools do.
inline const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = {{"img1", "dog", {20, 30, 100, 110}},
                                         {"img2", "cat", {60, 20, 180, 140}},
                                         {"img3", "dog", {5, 5, 70, 60}},
                                         {"img4", "cat", {90, 40, 190, 120}}};
  return all;
}

/// The four images, NAME.png, in a folder that is there.
inline void write_images(const std::filesystem::path& folder, const std::string& ending = ".png") {
  for (const auto& entry : entries())
    write_image(folder / (entry.id + ending), at::full({kHeight, kWidth, 3}, 90, at::kByte));
}

inline void expect_records(const Dataset& dataset) {
  ASSERT_EQ(dataset.size(), std::ssize(entries()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    const auto& entry = entries()[static_cast<size_t>(i)];
    EXPECT_EQ(record.id, entry.id);
    EXPECT_EQ(record.size, (ImageSize{kHeight, kWidth}));
    ASSERT_EQ(record.objects.size(), 1u) << entry.id;
    const auto& object = record.objects.front();
    EXPECT_EQ(dataset.categories().at(static_cast<size_t>(object.label - 1)).name, entry.class_name);
    EXPECT_FALSE(object.ignore);
    EXPECT_NEAR(object.box.x1, entry.box.x1, 1e-3);  // YOLO's shares have a few decimals
    EXPECT_NEAR(object.box.y1, entry.box.y1, 1e-3);
    EXPECT_NEAR(object.box.x2, entry.box.x2, 1e-3);
    EXPECT_NEAR(object.box.y2, entry.box.y2, 1e-3);
  }
}

}  // namespace rcnn::data::base_set
