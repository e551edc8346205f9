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

  /// Throws ConfigError when it comes from several data sets, for what works on the files of one.
  void require_one_source() const;
};

/// What a person says beside the name of a data set.
struct LocateOptions {
  std::filesystem::path images = {};           ///< the folder of a COCO file's images; empty: looked for
  std::vector<std::string> splits = {};        ///< the parts wanted, by name; empty: all
  std::optional<int64_t> max_megapixels = {};  ///< see read_image(); unset: as DataOptions or the config say
};

/// The parts, at least one, of what a person names as a data set, without reading annotations or images:
///
/// - a folder in Pascal VOC's layout: one for each list in ImageSets/Main, sorted; VOC's lists of one class
///   (cat_train.txt beside train.txt, with a second column) are no parts;
/// - a COCO instances file: one, named like the file without "instances_" and ".json". Its images are looked
///   for where the first of them lies: beside the file, in `images` or a folder of the part's name there, in
///   ../NAME, ../images/NAME, ../images and .. (annotations/instances_train2017.json: images/train2017);
/// - a folder with annotations/instances_*.json: those files' parts, sorted;
/// - a config: "train" and "test".
///
/// Throws DataError for anything else, for images that are in none of these places, and for splits that are
/// not there, which it lists; ConfigError for a config that is wrong and for `images` without a COCO file.
RCNN_EXPORT std::vector<DatasetPart> locate(const std::filesystem::path& dataset,
                                            const LocateOptions& options = {});

}  // namespace rcnn::data
