#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>

namespace rcnn::data {

/// One part of a data set as its annotation files have it, whatever their format: what every format is read
/// into, and what trainings, checks, splits and conversions are made from. Boxes are as they stand in the
/// files, also those that a training would drop.
struct AnnotatedPart {
  std::string name = {};
  CocoFile content = {};              ///< the file names are relative to `images`
  std::filesystem::path images = {};  ///< a folder

  /// What the headers of content.images say, one each, where the reader had to look at them because the files
  /// count in shares of the image's sides; otherwise empty.
  std::vector<std::variant<ImageInfo, DataError>> headers = {};

  // Whether the files number their images, objects and classes themselves; otherwise ids tell them apart in
  // this part alone.
  bool numbers_images = false, numbers_objects = false, numbers_classes = false;

  /// What messages call an object: "Annotations/a.xml object 2", "labels/a.txt line 3". Empty: "annotation
  /// ID".
  std::function<std::string(const CocoImage&, const CocoAnnotation&)> place = {};
};

}  // namespace rcnn::data
