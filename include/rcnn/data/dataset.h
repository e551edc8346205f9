#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// One annotated object, in the pixels of the image as it is stored.
struct Object {
  Box box;
  int64_t label = 0;    ///< 1..C
  bool ignore = false;  ///< difficult or crowd: neither an object to find nor background
};

/// One image of a data set and what is on it.
struct Record {
  std::string id;                    ///< unique in the data set: VOC's file stem, COCO's image id
  std::filesystem::path image;       ///< the file
  ImageSize size = {};               ///< of its pixels as they are stored
  std::vector<Object> objects = {};  ///< may be empty
  /// What may be objects, best first, in the pixels of the image as it is stored; none where no proposals
  /// come with the data.
  std::optional<std::vector<Box>> proposals = {};
};

/// Images with boxes. Implementations hold the records in memory and are safe to read from several threads.
class RCNN_EXPORT Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual const Record& record(int64_t index) const = 0;

  /// Label l is categories()[l - 1].
  virtual const std::vector<Category>& categories() const = 0;

  /// The image's pixels, uint8 [H, W, 3] RGB; by default read_image(record(index).image).
  virtual at::Tensor image(int64_t index) const;
};

/// Throws DataError, which names the record, unless each object's label is one of dataset.categories(): it
/// would be learnt, or scored, as another class.
RCNN_EXPORT void check_labels(const Dataset& dataset);

/// The image's pixels, see Dataset::image. Throws DataError, which names the file, when they are not of the
/// record's size: the file has changed since the records were read, and their boxes no longer fit. A record
/// without a size, 0 x 0, takes any.
RCNN_EXPORT at::Tensor checked_image(const Dataset& dataset, int64_t index);

/// How often a class is there.
struct ClassCount {
  std::string name;
  int64_t images = 0;   ///< that show it
  int64_t boxes = 0;    ///< to find
  int64_t ignored = 0;  ///< further boxes
};

/// The counts of each class by label, and at last those of all, named "all", with all images.
RCNN_EXPORT std::vector<ClassCount> class_counts(const Dataset& dataset);

/// A table for people: a line for each count.
RCNN_EXPORT std::string to_table(const std::vector<ClassCount>& counts);

}  // namespace rcnn::data
