#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/data/problems.h>
#include <rcnn/detection.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// One entry of "images".
struct CocoImage {
  int64_t id = 0;
  std::string file_name;
  ImageSize size;  ///< 0 x 0 where the file does not say
};

/// One entry of "annotations".
struct CocoAnnotation {
  int64_t id = 0;
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height, in pixels as they stand there
  double area = 0;                 ///< of the object; its box's where the file does not say
  bool crowd = false;
};

/// What an annotation has beside its box and detectors have no use for.
struct CocoDetails {
  std::string segmentation;  ///< polygons or run lengths, the JSON as it stands; empty without one
  std::vector<std::pair<std::string, std::string>> attributes;  ///< texts and numbers of "attributes"
};

/// An instances file of COCO, in the order of the file.
struct CocoFile {
  std::vector<CocoImage> images;
  std::vector<CocoAnnotation> annotations;
  std::vector<Category> categories;
  std::vector<CocoDetails> details;  ///< one an annotation, or none at all
};

/// One entry of a list of results.
struct CocoResult {
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height
  double score = 0;
};

/// Reads an instances file {"images": [...], "annotations": [...], "categories": [...]} in one pass; keys
/// that are not needed are passed over, and those that are needed may not be there twice. Takes about twice
/// the file's size in memory while it reads. Ids must be 64-bit integers and unique in their list. Entries
/// that are wrong are left out and added to `problems`. Throws DataError for a file that cannot be read and
/// what is no JSON, with the line.
RCNN_EXPORT CocoFile read_coco_file(const std::filesystem::path& file, Problems& problems,
                                    bool with_details = false);

/// The same, but throws DataError with all that is wrong.
RCNN_EXPORT CocoFile read_coco_file(const std::filesystem::path& file);

/// Writes an instances file that read_coco_file() gives back. Throws DataError when the disk refuses.
RCNN_EXPORT void write_coco_file(const std::filesystem::path& file, const CocoFile& content);

/// What results call their images, or their categories, beside the ids: write_results() writes names, other
/// programs seldom do.
struct CocoResultNames {
  static constexpr int32_t kNone = -1;
  std::vector<std::string> names;   ///< each once
  std::vector<int32_t> of_results;  ///< place of each result's name, kNone without one; empty: none has one
};

/// A list of results, in the order of the file.
struct CocoResultList {
  std::vector<CocoResult> results;
  CocoResultNames images, categories;
};

/// Reads a list of detections [{"image_id", "category_id", "bbox", "score"}, ...], what pycocotools' loadRes
/// takes and write_results() writes, with "file_name" and "category_name" where they are; possibly empty. A
/// good list is read in pieces, in little more memory than it is returned in. Throws DataError with all that
/// is wrong.
RCNN_EXPORT CocoResultList read_coco_results(const std::filesystem::path& file);

}  // namespace rcnn::data
