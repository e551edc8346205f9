#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// Where a Pascal VOC data set is, and what becomes of its bad records.
struct VocOptions {
  std::filesystem::path root = {};        ///< folder with Annotations/, JPEGImages/ and ImageSets/Main/
  std::string split = "train";            ///< the list ImageSets/Main/<split>.txt
  std::vector<std::string> classes = {};  ///< names in label order; empty: all that the records have, sorted
  Policy bad_boxes = Policy::skip;        ///< zero-size boxes and boxes outside the image: drop, or throw
  Policy bad_images = Policy::stop;       ///< missing or unreadable files: drop the record, or throw
  int64_t limit = 0;                      ///< only the first `limit` records are read; 0 for all
  int64_t max_megapixels = kMaxMegapixels;  ///< see read_image()
};

/// Reads a Pascal VOC split (devkit layout). 1-based inclusive corners become x1 - 1, y1 - 1, x2, y2;
/// coordinates may be fractions; boxes that reach over the border are clipped to it. A box has zero size when
/// its corners are equal as written. "difficult" objects are kept with `ignore`, images without objects as
/// background. The image is JPEGImages/<id> with .jpg, .JPG, .jpeg, .JPEG or .png; its header is read, and a
/// <size> that says otherwise makes the record a bad one. With `classes` given, objects of other classes are
/// an error that lists the names found. Lists may have the second column of VOC's lists of one class.
///
/// Everything wrong is added to `problems`, and what cannot be used is left out of the result: malformed XML,
/// objects without name or corners, names in the list that lead out of the data set or come twice, no object
/// at all (errors); what the policies speak of (as they say); boxes that are clipped, files whose <filename>
/// is of another image (warnings). Throws DataError for a missing folder or list and an empty list,
/// ConfigError when `classes` names one twice.
RCNN_EXPORT std::shared_ptr<Dataset> read_voc(const VocOptions& options, Problems& problems);

/// The same, but throws DataError with all errors, and logs the warnings.
RCNN_EXPORT std::shared_ptr<Dataset> read_voc(const VocOptions& options);

}  // namespace rcnn::data
