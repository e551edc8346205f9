#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <rcnn/data/tools/locate.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// One of the parts that a data set is to be split into.
struct SplitShare {
  std::string name;
  double share = 0;  ///< of the images, above 0; the shares of all parts sum to 1
};

/// Splits images at random, each class as evenly as it goes: iterative stratification (Sechidis, Tsoumakas
/// and Vlahavas 2011, algorithm 1), which gives out the images of the rarest class first, each to the part
/// that lacks this class most. A part's size is its share of the images, up or down to a whole number; a part
/// that is full gets no more.
///
/// `labels` holds the classes on each image, whatever their numbers and order; an image may have none.
/// Returns the index of each image's part. Depends on the arguments alone. Throws ConfigError for fewer than
/// two parts, names that are empty, twice there or no file names, shares that do not sum to 1, and a part
/// that would get no image.
RCNN_EXPORT std::vector<size_t> stratified_split(const std::vector<std::vector<int64_t>>& labels,
                                                 const std::vector<SplitShare>& parts, uint64_t seed);

/// A part of a split data set and what is in it.
struct WrittenPart {
  std::string name;
  std::filesystem::path file;
  int64_t images = 0;
  std::map<std::string, int64_t> class_images;  ///< of every class of the data set: images that show it
};

/// Splits the data set `from` by stratified_split(), ignored objects included, and writes one file a part
/// into `output`, which is made when it is not there. For VOC these are lists of ids, NAME.txt, for
/// ImageSets/Main; for YOLO lists of the images' paths, NAME.txt, for the train and val of its data.yaml; for
/// all others instances_NAME.json of COCO. From COCO these have an image's entry and those of its annotations
/// as the text that they are in the file, in its order, and every other key of it.
///
/// Throws ConfigError when one of these files is there already, and what stratified_split() throws; DataError
/// for annotations of images that are not there, for what read_parts() refuses, and when the disk does.
RCNN_EXPORT std::vector<WrittenPart> write_split(const DatasetPart& from, const std::filesystem::path& output,
                                                 const std::vector<SplitShare>& shares, uint64_t seed);

}  // namespace rcnn::data
