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

  /// For what works on the files of one data set. Throws ConfigError when it comes from several, or is of a
  /// format that has no files of annotations.
  void require_own_files() const;
};

/// What a person says beside the name of a data set.
struct RCNN_EXPORT LocateOptions {
  std::string type = "auto";                ///< a name in formats(), where a place could be of several
  std::filesystem::path images = {};        ///< the folder of an annotation file's images; empty: looked for
  std::vector<std::string> splits = {};     ///< the parts wanted, by name; empty: all
  std::vector<std::string> overrides = {};  ///< "data.key=value", instead of what a config says

  // Instead of those of DataOptions, or of the config.
  std::optional<int64_t> max_megapixels = {};
  std::optional<Policy> bad_boxes = {}, bad_values = {}, bad_images = {};
  std::vector<std::string> classes = {};
  std::optional<OtherClasses> other_classes = {};
  std::string yolo_lines = {};

  /// Throws ConfigError where `images` is given for a data set that says itself where they are.
  void refuse_images(const std::filesystem::path& dataset) const;

  /// Throws ConfigError where there are `overrides` and the data set is no config.
  void refuse_overrides(const std::filesystem::path& dataset) const;
};

/// The parts, at least one, of what a person names as a data set, without reading annotations or images: what
/// one of formats() recognises in a folder or a file, or a config's "train" and "test". Names of parts are
/// those of lists, files and folders, without "instances_"; "all" where there is but one without a name.
///
/// Throws DataError for anything else, and then says what is there and which layout comes nearest; for a
/// place that two formats recognise; for images that are in none of the places where they are looked for; and
/// for splits that are not there, which it lists. ConfigError for a config that is wrong, for `images`
/// without an annotation file, for `overrides` without a config, and for those of anything but its data.
RCNN_EXPORT std::vector<DatasetPart> locate(const std::filesystem::path& dataset,
                                            const LocateOptions& options = {});

/// The part that a config's "train" or "test" means, with its format, and what that format knows of it.
/// Throws DataError when there is none.
RCNN_EXPORT DatasetPart located(const DataOptions& options, const SplitOptions& split);

}  // namespace rcnn::data
