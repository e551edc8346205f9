#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// Where a COCO data set is, and what becomes of its bad records.
struct CocoOptions {
  std::filesystem::path annotations = {};  ///< an instances file, see read_coco_file()
  std::filesystem::path images = {};       ///< the folder that its file names start from
  std::vector<std::string> classes =
      {};                            ///< names in label order; empty: the file's categories by ascending id
  bool keep_empty = true;            ///< images without an object to find: background, or left out
  Policy bad_boxes = Policy::skip;   ///< boxes without size or outside the image: drop, or throw
  Policy bad_images = Policy::stop;  ///< missing or unreadable files: drop the record, or throw
  int64_t limit = 0;                 ///< only the first `limit` images of the file; 0 for all
  int64_t max_megapixels = kMaxMegapixels;  ///< see read_image()
};

/// Reads a COCO data set. Boxes (x, y, width, height) become (x, y, x + width, y + height), clipped to the
/// image; crowds are kept with `ignore`. A category's own id stays with its label. The images' headers are
/// read, and an image whose size is not what the file says is a bad one. With `classes` given, objects of
/// other classes are an error that lists the names found.
///
/// Everything wrong is added to `problems`, and what cannot be used is left out of the result: entries that
/// are wrong in themselves, annotations of images or categories that are not there, file names that lead out
/// of the folder, no object at all (errors); what the policies speak of (as they say); boxes that are clipped
/// or very thin, files listed twice, images of no stated size (warnings). Throws DataError for a file that
/// cannot be read, ConfigError when `classes` names one of the file's categories twice.
RCNN_EXPORT std::shared_ptr<Dataset> read_coco(const CocoOptions& options, Problems& problems);

/// The same, but throws DataError with all errors, and logs the warnings.
RCNN_EXPORT std::shared_ptr<Dataset> read_coco(const CocoOptions& options);

}  // namespace rcnn::data
