#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/data/annotated_part.h>
#include <rcnn/data/dataset.h>
#include <rcnn/data/formats/place.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// How close a place comes to a format that it is not of, for people who expected it to be.
struct Nearness {
  int share = 0;           ///< of what the format needs, in hundredths; 0 where there is nothing of it
  std::string lacks = {};  ///< "images/ holds no image beside the 12 .xml in annots/"
};

/// What a converted data set has for images: links to the old ones, or copies.
enum class ImageFiles { link, copy };

/// A kind of data set: how it is recognised, and how it is read into records. Two functions are enough,
/// `parts` and `read`; a format whose images are no files has `open` instead of `read`.
struct Format {
  /// Whether what a person names as a data set, a file or a folder, is of this format: its parts then, and
  /// none when it is not. Looks at names and heads of files alone; what is wrong inside of them is for `read`
  /// to say. `options.images` is the folder of images where a person named one. A part carries in split.own
  /// whatever `read` wants to know of it.
  std::function<std::vector<DatasetPart>(const Place& place, const LocateOptions& options)> parts = {};

  /// Reads the annotations of one of these parts as they stand, images in an order that depends on the files
  /// alone, of the first split.limit images where that is not 0. Everything wrong is added to `problems` as
  /// the policies of part.options say, and what cannot be used is left out. Boxes that are dropped, clipped
  /// or small, classes, sizes and headers of images, a part without any object are not its concern: they are
  /// looked at alike for all formats. `with_details` asks for what conversions keep and trainings have no use
  /// for. Throws DataError for what cannot be read at all.
  std::function<AnnotatedPart(const DatasetPart& part, bool with_details, Problems& problems)> read = {};

  /// Whether a config may name one annotation file of this format, data.train.annotations.
  bool has_files = false;

  /// What is there of this format in a place that is not of it. May be empty.
  std::function<Nearness(const Place& place)> near = {};

  /// Writes parts, whose names are unique, as a data set of this format into an empty folder. What the format
  /// cannot hold is counted in `problems` as a warning. What it would get wrong is an error there, found
  /// before anything is written; then nothing is. Empty where nothing is converted to this format.
  std::function<void(const std::filesystem::path& folder, std::span<const AnnotatedPart> parts,
                     ImageFiles images, Problems& problems)>
      write = {};

  /// Instead of the keys `split`, `annotations` and `images`: reads which images a part has, those keys of
  /// `part`, "train" or "test" of a config's "data", that only this format has, into `split`, where `own` is
  /// for what only it knows. `options` has the root already. Throws ConfigError.
  std::function<void(const config::Node& part, const DataOptions& options, SplitOptions& split)> read_split =
      {};

  /// Instead of `read`: reads a part. It keeps to the options' classes, policies and max_megapixels and to
  /// the part's limit itself.
  std::function<std::shared_ptr<Dataset>(const DataOptions& options, const SplitOptions& split,
                                         Problems& problems)>
      open = {};
};

/// The name that stands for whichever format recognises a data set.
inline constexpr std::string_view kAnyFormat = "auto";

/// Formats by name, "auto" for the one that is recognised. Those of the library are listed in format.cpp;
/// others are added at the start of main: `rcnn::data::formats().add("mine", {...})`, and a config names them
/// by "data": {"type": "mine"}.
class RCNN_EXPORT Formats {
 public:
  explicit Formats(std::vector<std::pair<std::string, Format>> formats) : formats_(std::move(formats)) {}

  /// Throws std::invalid_argument when the name is taken, or both read and open are missing.
  void add(std::string name, Format format);

  /// Throws c10::Error when there is none of the name, which DataOptions::from has made sure of.
  const Format& at(const std::string& name) const;

  /// Of what "type" in a config's "data" may name, what it names, `standard` where it is absent. Throws
  /// ConfigError with all names.
  std::string read(const config::Node& data, const std::string& standard) const;

  /// The parts of a data set in the format that recognises it, or in that of options.type, and none when none
  /// does. Throws DataError that names them when several do.
  std::vector<DatasetPart> parts(const Place& place, const LocateOptions& options) const;

  /// "Pascal VOC comes nearest: ..."; empty when nothing of any format is there.
  std::string nearest(const Place& place) const;

  /// The names, and of those that can be written.
  std::vector<std::string> names() const;
  std::vector<std::string> written() const;

 private:
  std::vector<std::pair<std::string, Format>> formats_;  // in the order in which they are asked
};

/// The table: voc, coco, yolo, labelme, via, cvat, csv, open_images, and what was added.
RCNN_EXPORT Formats& formats();

}  // namespace rcnn::data
