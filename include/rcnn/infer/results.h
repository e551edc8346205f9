#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn {

/// What was found on one image.
struct ImageDetections {
  int64_t image_id = 0;
  std::string file_name;
  std::vector<Detection> detections;
};

/// Writes a list in COCO's result form, with names beside the numbers: {"image_id", "file_name",
/// "category_id", "category_name", "bbox": [x, y, width, height], "score"}. Throws DataError when the disk
/// refuses.
RCNN_EXPORT void write_results(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
                               const std::vector<Category>& categories);

/// Writes a table with the columns file_name, class, class_id, score, x1, y1, x2, y2, one detection a line;
/// fields are quoted as RFC 4180 says where they need it, numbers the shortest that read back the same.
/// Throws DataError when the disk refuses.
RCNN_EXPORT void write_csv(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
                           const std::vector<Category>& categories);

}  // namespace rcnn
