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
  std::filesystem::path root = {};        ///< its folder
  std::string split = "train";            ///< the part's name: that of a list or a folder, or "all"
  std::vector<std::string> classes = {};  ///< names in label order; empty: all that the records have, sorted
  Policy bad_boxes = Policy::skip;        ///< boxes without size or outside the image: drop, or throw
  Policy bad_images = Policy::stop;       ///< missing or unreadable files: drop the record, or throw
  int64_t limit = 0;                      ///< only the first `limit` records are read; 0 for all
  int64_t max_megapixels = kMaxMegapixels;  ///< see read_image()
};

/// Reads a part of a data set of Pascal VOC's annotation files, in any layout (data_formats): the devkit's
/// Annotations/ID.xml, JPEGImages/ID.jpg and ImageSets/Main/SPLIT.txt; two folders of any names; .xml files
/// beside their images; folders train, valid, test of these. Without lists and such folders there is one
/// part, "all". An id is an annotation file's path without its ending. Lists may have images' endings, paths,
/// and the second column of VOC's lists of one class.
///
/// Corners count from 1 and are both inside: they become x1 - 1, y1 - 1, x2, y2. "difficult" objects are kept
/// with `ignore`, images without objects as background. classes.txt, lines `ID NAME`, gives the classes' ids
/// where it is there. An image is that of the id's name, or else the one that <filename> names.
///
/// Everything wrong is added to `problems`, and what cannot be used is left out of the result: no object at
/// all (an error); boxes that are no numbers; annotation files that are missing, no valid XML or have an
/// object without a name, lines of lists that lead out of the data set or come twice, and all else that the
/// policies speak of (as they say); flags in words, boxes that are clipped, turned objects, files whose
/// <filename> is of another image, images without an annotation file (warnings). See open().
RCNN_EXPORT std::shared_ptr<Dataset> read_voc(const VocOptions& options, Problems& problems);

/// The same, but throws DataError with all errors, and logs the warnings.
RCNN_EXPORT std::shared_ptr<Dataset> read_voc(const VocOptions& options);

}  // namespace rcnn::data
