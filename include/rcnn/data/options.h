#pragma once

#include <any>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/loading/loader.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// What becomes of objects whose class is not among the chosen ones.
struct RCNN_EXPORT OtherClasses {
  enum class Kind { stop, ignore, merge };
  Kind kind = Kind::stop;  ///< an error; left out and counted; taken for objects of `into`
  std::string into = {};   ///< one of the chosen classes

  /// "stop", "ignore" or "merge:NAME"; nothing for another word.
  static std::optional<OtherClasses> from(const std::string& word);
};

/// One of several data sets that are joined, see join().
struct SourceOptions {
  std::string name = {};                   ///< in messages, and in ids where they need it
  std::filesystem::path root = {};         ///< the data set's folder
  std::string split = {};                  ///< its part's name; empty: "train", or the only one
  std::filesystem::path annotations = {};  ///< instead of both: an annotation file; its images are looked for
};

/// One part of a data set: by the name that locate() gives it, or by an annotation file.
struct SplitOptions {
  std::string split = {};                   ///< its name in the data set; empty: see `usual`
  std::filesystem::path annotations = {};   ///< a file of COCO, VIA, CVAT, or a CSV table, instead of a name
  std::filesystem::path images = {};        ///< the folder of the images of `annotations`; empty: looked for
  std::vector<SourceOptions> sources = {};  ///< when there are some, the images of all instead of the above
  std::filesystem::path proposals = {};     ///< a file of stored proposals, see read_proposals()
  int64_t proposal_limit = 2000;            ///< the best so many of an image; 0 for all
  int64_t limit = 0;                        ///< only the first so many images, of each source; 0 for all
  TransformOptions transform = {};          ///< training: all but min_size and max_size
  bool group_by_aspect = true;              ///< training, see LoaderOptions
  bool keep_empty = true;                   ///< images without an object to find, too: background
  std::vector<std::string> usual =
      {};  ///< without a name the first of these that is there, in any case of letters, or the only part
  std::any own = {};  ///< what the format knows of the part; empty: it is to be located
};

/// A config's "data": where images and boxes are, and what happens to them on the way to the network.
struct RCNN_EXPORT DataOptions {
  std::string type = "auto";              ///< a name in formats(), or "auto": recognised by what is there
  std::filesystem::path root = {};        ///< relative to RCNN_DATA, see config::data_path
  std::vector<std::string> classes = {};  ///< names in label order; empty: read from the annotations
  OtherClasses other_classes = {};        ///< where `classes` are given
  SplitOptions train{.split = "train", .transform = {.flip = 0.5}};
  SplitOptions test{.split = "test"};
  int64_t min_size = 800, max_size = 1333;  ///< see TransformOptions
  int64_t max_megapixels = kMaxMegapixels;  ///< of an image that is decoded, see read_image()
  int64_t workers = 2;                      ///< loader threads
  Policy bad_boxes = Policy::skip;          ///< boxes without size, or outside of their images
  Policy bad_values = Policy::skip;         ///< fields that a box, a class and a score do not depend on
  Policy bad_images = Policy::stop;  ///< images, and their annotation files, that are missing or damaged
  std::string yolo_lines = {};       ///< YOLO: box, outline, oriented or pose; empty: told by the files

  /// Keys: type (auto, voc, coco, yolo, labelme, via, cvat, csv, open_images, or what was added to
  /// formats()), root, classes, other_classes (stop, ignore, merge:NAME), train {limit, keep_empty, flip,
  /// min_sizes, scale_jitter {min, max, size}, color_jitter {brightness, contrast, saturation, hue},
  /// group_by_aspect}, test {limit}, min_size, max_size, max_megapixels, workers, bad_boxes, bad_values,
  /// bad_images (each skip or stop), yolo_lines. Train and test have `split`, or `annotations` and `images`,
  /// relative to `root`, and `proposals`, a file relative to RCNN_DATA, with `proposal_limit`. Instead of
  /// these train may have `sources`, a list of data sets, relative to RCNN_DATA: annotation files, VOC's
  /// lists ROOT/ImageSets/Main/SPLIT.txt, and folders. Throws ConfigError.
  static DataOptions from(const config::Node& node);

  TransformOptions train_transform() const;
  TransformOptions test_transform() const { return {.min_size = min_size, .max_size = max_size}; }

  /// For training, but batch_size and seed.
  LoaderOptions train_loader() const;
};

/// Opens one part of the data set, and join() for several sources: locates it, reads its annotations, and
/// looks at the headers of its images. A box is clipped to its image; one without size or outside is a bad
/// box. An image that is missing, cannot be read, or is of another size than its annotations say is a bad
/// one; one pixel more or less is a warning. A part with a file of proposals gets them: see with_proposals(),
/// which leaves out images without an entry under bad_images=skip. Everything wrong is added to `problems`,
/// and what cannot be used is left out. Throws DataError for what cannot be read at all, ConfigError for
/// classes that contradict each other.
RCNN_EXPORT std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split,
                                          Problems& problems);

/// The same, but throws DataError with all errors, and logs the warnings.
RCNN_EXPORT std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split);

/// A part of a data set that was opened.
struct OpenedPart {
  std::shared_ptr<Dataset> dataset;
  int64_t images_left_out = 0;  ///< under bad_images=skip
};

/// The same, for who has to tell whether it is the whole part.
RCNN_EXPORT OpenedPart open_counting(const DataOptions& options, const SplitOptions& split);

}  // namespace rcnn::data
