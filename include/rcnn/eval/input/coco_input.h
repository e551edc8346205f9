#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rcnn/detection.h>
#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// An image that annotations list.
struct CocoListedImage {
  int64_t id = 0;
  std::string name;  ///< of its file, with or without folders
  ImageSize size;    ///< 0 x 0 where it is not known
};

/// What is there: a data set as its instances file has it, in any order.
struct CocoAnnotations {
  std::vector<CocoListedImage> images;
  std::vector<Category> categories;
  std::vector<CocoTruth> truths;
};

/// What results call their images, or their categories, beside the ids.
struct CocoNames {
  static constexpr int32_t kNone = -1;
  std::vector<std::string> names;   ///< each once
  std::vector<int32_t> of_results;  ///< place of each result's name, kNone without one; empty: none has one
};

/// What was found: a list of results as its file has it.
struct CocoResults {
  std::vector<CocoDetection> detections;
  CocoNames images, categories;
};

/// How coco_input() joins them, and what it calls them.
struct CocoInputOptions {
  std::string annotations = "the annotations";  ///< the file, for messages
  std::string results = "the results";
  bool by_category = true;       ///< false: categories decide nothing, as for proposals
  int64_t max_detections = 100;  ///< best ones of an image and category that are scored
};

/// Annotations and results that belong together: what all of COCO's scores are computed from.
struct CocoInput {
  std::vector<int64_t> image_ids;    ///< ascending, without repetition
  std::vector<Category> categories;  ///< by ascending id; each has a name of its own
  std::vector<CocoTruth> truths;     ///< of these images and categories
  std::vector<CocoDetection> detections;
  std::vector<std::string> warnings;      ///< what a reader of the scores has to know, a counted line each
  std::vector<std::string> incomparable;  ///< why scores cannot be compared with published ones; a line each
};

/// Joins results with the annotations that they are of, so that a pair of files gives pycocotools' numbers,
/// or an error, or a warning that counts what is odd about it.
///
/// Images: an id fits when the image with this id has the result's name. If a single named result does not
/// fit, all are joined by name and a warning counts the ids that change: the image whose path has the most
/// last parts (file name, folder, its folder ...) in common with the name, which must be one alone, and of
/// one name alone. Without names the ids decide. Categories likewise, by equal names.
///
/// Left out with a warning, as pycocotools leaves them out: annotations of images or categories that are not
/// listed, results of categories that are not listed. With a warning alone: objects with the id 0 (for
/// pycocotools what finds them is wrong), more objects or results of an image and category than are scored,
/// boxes without width or height, boxes all thinner than a pixel, boxes that reach far out of their images,
/// and boxes that fit better when read as [x1, y1, x2, y2]; no object and no result at all.
///
/// Throws DataError, naming the file, for results on images that are not listed, names that could mean
/// several images, several names for one image, results without a name beside such that do not fit by id,
/// results none of which is of a listed category, an id that is listed twice, and annotations without images
/// or categories.
RCNN_EXPORT CocoInput coco_input(CocoAnnotations annotations, CocoResults results,
                                 const CocoInputOptions& options = {});

}  // namespace rcnn::eval
