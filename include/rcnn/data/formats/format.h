#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/data/dataset.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// A kind of data set.
struct Format {
  /// Reads which images a part has: those keys of `part`, "train" or "test" of a config's "data", that only
  /// this format has, into `split`, where `own` is for what only it knows. `options` has the root already.
  /// Throws ConfigError.
  std::function<void(const config::Node& part, const DataOptions& options, SplitOptions& split)> read_split;

  /// Reads this format's further keys of "train". May be empty.
  std::function<void(const config::Node& train, SplitOptions& split)> read_train = {};

  /// What one of train.sources names. Empty where data sets of this format are not joined.
  std::function<SourceOptions(const config::Node& train, const std::filesystem::path& file)> source = {};

  /// Reads a part. What is wrong is added to `problems`, and what cannot be used is left out. It keeps to the
  /// options' classes, bad_boxes, bad_images and max_megapixels and to the part's limit itself. Throws
  /// DataError for what cannot be read at all.
  std::function<std::shared_ptr<Dataset>(const DataOptions& options, const SplitOptions& split,
                                         Problems& problems)>
      open;

  /// The parts of what a person names as a data set, see locate(); none when it is not of this format. Empty
  /// where only configs name such data sets.
  std::function<std::vector<DatasetPart>(const std::filesystem::path& dataset, const LocateOptions& options)>
      parts = {};
};

/// Formats by name. Those of the library are listed in format.cpp; others are added at the start of main:
/// `rcnn::data::formats().add("mine", {...})`, and a config names them by "data": {"type": "mine"}.
class RCNN_EXPORT Formats {
 public:
  explicit Formats(std::vector<std::pair<std::string, Format>> formats) : formats_(std::move(formats)) {}

  /// Throws std::invalid_argument when the name is taken, or read_split or open is missing.
  void add(std::string name, Format format);

  /// Throws c10::Error when there is none of the name, which DataOptions::from has made sure of.
  const Format& at(const std::string& name) const;

  /// Of what "type" in a config's "data" may name, what it names, `standard` where it is absent. Throws
  /// ConfigError with all names.
  std::string read(const config::Node& data, const std::string& standard) const;

  /// The parts of a data set in the first format that knows it, and none when none does.
  std::vector<DatasetPart> parts(const std::filesystem::path& dataset, const LocateOptions& options) const;

 private:
  std::vector<std::pair<std::string, Format>> formats_;  // in the order in which they are asked
};

/// The table: voc, coco, and what was added.
RCNN_EXPORT Formats& formats();

}  // namespace rcnn::data
