#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/formats/place.h>
#include <rcnn/data/tools/locate.h>

#include "data/formats/image_index.h"

namespace rcnn::data {

/// Where the annotation file of a part lies, for formats that have one: in DatasetPart::split.own.
struct AnnotationFile {
  std::shared_ptr<const Place> place = {};  ///< what a person named; empty where that is the file itself
  std::string folder = {};                  ///< the file's below it
};

/// The parts of a place by its annotation files, those with this ending whose heads is_it() knows: each file
/// is one. They are named by the folders they lie in, or else by words of their own names (train, val,
/// valid, test), or else by their own names; a single one without such a word is "all". Looks at a few files
/// of each folder alone, for a folder of many is one of a format that has a file for each image.
std::vector<DatasetPart> parts_of_files(const Place& place, const LocateOptions& options,
                                        std::string_view ending, bool (*is_it)(std::string_view head));

/// "train", "val", "valid" or "test", longer forms of these, and such with a number (train2017), in lower
/// case, where a folder of a path is called so, the last one; otherwise empty.
std::string part_of_path(std::string_view path);

/// The images that an annotation file names.
class FoundImages {
 public:
  /// `first` is the name of one of them, by which their folder is looked for where neither the part nor the
  /// place says it. Throws DataError where it is in none of the usual places.
  FoundImages(const DatasetPart& part, const std::string& first);

  /// The folder that the results of find() start from.
  const std::filesystem::path& root() const { return root_; }

  /// Where an image lies below root(), see ImageIndex::find().
  std::optional<std::string> find(const std::string& name);

 private:
  std::filesystem::path root_;
  std::string from_;
  std::shared_ptr<const Place> place_;
  std::optional<ImageIndex> index_;  // made when it is needed
};

/// Makes the deepest folder that holds all images the part's folder of images, and names each image by its
/// path below that, without its ending where that is enough to tell it from others.
void settle_images(AnnotatedPart& part);

}  // namespace rcnn::data
