#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/data/options.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// One part of a data set that somebody named: open(part.options, part.split) reads it.
struct RCNN_EXPORT DatasetPart {
  std::string name;  ///< what messages call it: "train", "train2017"
  DataOptions options;
  SplitOptions split;

  /// For what works on the files of one data set, in VOC's or COCO's layout. Throws ConfigError when it comes
  /// from several, or is of another format.
  void require_own_files() const;
};

/// What a person says beside the name of a data set.
struct RCNN_EXPORT LocateOptions {
  std::filesystem::path images = {};           ///< the folder of a COCO file's images; empty: looked for
  std::vector<std::string> splits = {};        ///< the parts wanted, by name; empty: all
  std::optional<int64_t> max_megapixels = {};  ///< see read_image(); unset: as DataOptions or the config say

  /// Throws ConfigError where `images` is given for a data set that says itself where they are.
  void refuse_images(const std::filesystem::path& dataset) const;
};

/// The parts, at least one, of what a person names as a data set, without reading annotations or images:
///
/// - a folder in Pascal VOC's layout: one for each list in ImageSets/Main, sorted; VOC's lists of one class
///   (cat_train.txt beside train.txt, with a second column) are no parts;
/// - a COCO instances file: one, named like the file without "instances_" and ".json". Its images are looked
///   for where the first of them lies: beside the file, in `images` or a folder of the part's name there, in
///   ../NAME, ../images/NAME, ../images and .. (annotations/instances_train2017.json: images/train2017);
/// - a folder with annotations/instances_*.json: those files' parts, sorted;
/// - what a format that was added to formats() says is its own;
/// - a config: "train" and "test".
///
/// Throws DataError for anything else, for images that are in none of these places, and for splits that are
/// not there, which it lists; ConfigError for a config that is wrong and for `images` without a COCO file.
RCNN_EXPORT std::vector<DatasetPart> locate(const std::filesystem::path& dataset,
                                            const LocateOptions& options = {});

}  // namespace rcnn::data
