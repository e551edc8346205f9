#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <rcnn/types.h>

namespace rcnn::data {

/// One entry of "images".
struct CocoImage {
  int64_t id = 0;
  std::string file_name;
  ImageSize size;  ///< 0 x 0 where the file does not say
};

/// One entry of "annotations"; its outline ("segmentation") is passed over.
struct CocoAnnotation {
  int64_t id = 0;
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height, in pixels as they stand there
  double area = 0;                 ///< of the object; its box's where the file does not say
  bool crowd = false;
};

/// An instances file of COCO, in the order of the file.
struct CocoFile {
  std::vector<CocoImage> images;
  std::vector<CocoAnnotation> annotations;
  std::vector<Category> categories;
};

/// One entry of a list of results.
struct CocoResult {
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height
  double score = 0;
};

/// Reads an instances file {"images": [...], "annotations": [...], "categories": [...]} in one pass; keys
/// that are not needed are passed over. Takes about twice the file's size in memory while it reads. Ids must
/// be 64-bit integers and unique in their list. Throws DataError with the file, the entry and what is wrong
/// with it.
CocoFile read_coco_file(const std::filesystem::path& file);

/// Reads a list of detections [{"image_id", "category_id", "bbox", "score"}, ...], what pycocotools' loadRes
/// takes and write_results() writes; possibly empty. Throws DataError likewise.
std::vector<CocoResult> read_coco_results(const std::filesystem::path& file);

}  // namespace rcnn::data
