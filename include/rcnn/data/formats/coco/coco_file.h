#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
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
  std::string name =
      {};  ///< what the data set calls it where that is no number: a text for an id, VOC's stem
};

/// One entry of "annotations".
struct CocoAnnotation {
  int64_t id = 0;
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height, in pixels as they stand there
  double area = 0;                 ///< of the object; its box's where the file does not say
  bool crowd = false;
  int32_t position = 0;  ///< among its file's objects or lines, from 1; 0 where the id alone says which it is
};

/// Keys with their values as JSON: {"color", "\"red\""}, {"seats", "4"}, {"doors", "null"}.
using JsonFields = std::vector<std::pair<std::string, std::string>>;

/// What an annotation has beside its box and detectors have no use for.
struct CocoDetails {
  std::string segmentation = {};  ///< polygons or run lengths, the JSON as it stands; empty without one
  JsonFields attributes = {};     ///< of "attributes"
  JsonFields others = {};         ///< further keys of the entry: keypoints, num_keypoints
};

/// Ids that are texts in a file, and the numbers that stand for them in what is read of it.
struct CocoTextIds {
  std::unordered_map<std::string, int64_t> images, categories;
};

/// An instances file of COCO, in the order of the file.
struct CocoFile {
  std::vector<CocoImage> images = {};
  std::vector<CocoAnnotation> annotations = {};
  std::vector<Category> categories = {};

  // Further keys, where they were asked for: one entry each, or none at all.
  std::vector<CocoDetails> details = {};         ///< of annotations
  std::vector<JsonFields> image_fields = {};     ///< license, date_captured
  std::vector<JsonFields> category_fields = {};  ///< supercategory, keypoints, skeleton
  JsonFields fields = {};                        ///< of the file: info, licenses

  CocoTextIds text_ids = {};  ///< empty where all ids are numbers, be it in quotes
};

/// One entry of a list of results.
struct CocoResult {
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> box = {};  ///< x, y, width, height
  double score = 0;
};

/// What read_coco_file() keeps, and what becomes of entries that it cannot use.
struct CocoFileOptions {
  bool with_details = false;         ///< what detectors have no use for: details and fields
  Policy bad_values = Policy::skip;  ///< fields that a box, a class and a score do not depend on
  bool unique_names = true;          ///< two categories of one name that both have objects are an error

  // Errors where nobody can choose.
  std::optional<Policy> bad_boxes = {};   ///< annotations without a box
  std::optional<Policy> bad_images = {};  ///< images with an annotation that cannot be understood
};

/// Reads an instances file {"images": [...], "annotations": [...], "categories": [...]} in one pass; keys
/// that are not needed are passed over, and those that are needed may not be there twice. Takes about twice
/// the file's size in memory while it reads.
///
/// Other forms that mean the same are taken, each with a warning that counts them and shows one: numbers in
/// quotes or with decimals, null for nothing, lists written as objects, images named by a path or an address,
/// and outlines (polygons, run lengths) in the place of boxes. Ids must be 64-bit integers and unique in
/// their list; where some are texts, the numbers that these are or that stand for them, see text_ids.
/// Annotations without an id get one. Categories without objects that group others, or have the name of
/// another, are no classes.
///
/// Entries that are wrong are left out and added to `problems` with their place and value. Throws DataError
/// for a file that cannot be read, another encoding than UTF-8, and what is no JSON, with the line.
RCNN_EXPORT CocoFile read_coco_file(const std::filesystem::path& file, Problems& problems,
                                    const CocoFileOptions& options = {});

/// The same for scores, which go by ids, so that names need not be unique; but throws DataError with all that
/// is wrong, and logs the warnings.
RCNN_EXPORT CocoFile read_coco_file(const std::filesystem::path& file);

/// Writes an instances file that read_coco_file() gives back; keys of fields that entries have anyway must
/// not be in it. Throws DataError when the disk refuses, and for texts that are no UTF-8, which JSON is.
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
/// good list is read in pieces, in little more memory than it is returned in. Other forms are taken as by
/// read_coco_file(), and warned of. Ids that are texts are those of the annotations, `known`, or else names.
/// Throws DataError with all that is wrong.
RCNN_EXPORT CocoResultList read_coco_results(const std::filesystem::path& file,
                                             const CocoTextIds& known = {});

}  // namespace rcnn::data
