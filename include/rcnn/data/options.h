#pragma once

#include <any>
#include <filesystem>
#include <memory>
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

/// One of several data sets that are joined, see join().
struct SourceOptions {
  std::string name = {};                   ///< in messages, and in ids where they need it
  std::filesystem::path root = {};         ///< VOC: the data set's folder
  std::string split = {};                  ///< VOC: its name in the data set
  std::filesystem::path annotations = {};  ///< COCO: the instances file; its images are where locate() looks
};

/// One part of a data set.
struct SplitOptions {
  std::string split = {};                   ///< VOC: its name in the data set
  std::filesystem::path annotations = {};   ///< COCO: the instances file
  std::filesystem::path images = {};        ///< COCO: the folder of the images
  std::vector<SourceOptions> sources = {};  ///< when there are some, the images of all instead of the above
  int64_t limit = 0;                        ///< only the first so many images, of each source; 0 for all
  TransformOptions transform = {};          ///< training: all but min_size and max_size
  bool group_by_aspect = true;              ///< training, see LoaderOptions
  bool keep_empty = true;                   ///< COCO: images without an object to find, too
  std::any own = {};                        ///< what a format that was added reads of its own keys
};

/// A config's "data": where images and boxes are, and what happens to them on the way to the network.
struct RCNN_EXPORT DataOptions {
  std::string type = "voc";               ///< a name in formats()
  std::filesystem::path root = {};        ///< relative to RCNN_DATA, see config::data_path
  std::vector<std::string> classes = {};  ///< names in label order; empty: read from the annotations
  SplitOptions train{.split = "train", .transform = {.flip = 0.5}};
  SplitOptions test{.split = "test"};
  int64_t min_size = 800, max_size = 1333;  ///< see TransformOptions
  int64_t max_megapixels = kMaxMegapixels;  ///< of an image that is decoded, see read_image()
  int64_t workers = 2;                      ///< loader threads
  Policy bad_boxes = Policy::skip;
  Policy bad_images = Policy::stop;

  /// Keys: type (voc, coco, or what was added to formats()), root, classes, train {limit, flip, min_sizes,
  /// scale_jitter {min, max, size}, color_jitter {brightness, contrast, saturation, hue}, group_by_aspect},
  /// test {limit}, min_size, max_size, max_megapixels, workers, bad_boxes (skip, stop), bad_images (skip,
  /// stop). For VOC train and test have `split`; for COCO they have `annotations` and `images`, both relative
  /// to `root`, and train has `keep_empty`. Instead of these train may have `sources`, a list of files: for
  /// VOC ROOT/ImageSets/Main/SPLIT.txt, for COCO instances files, relative to RCNN_DATA. Throws ConfigError.
  static DataOptions from(const config::Node& node);

  TransformOptions train_transform() const;
  TransformOptions test_transform() const { return {.min_size = min_size, .max_size = max_size}; }

  /// For training, but batch_size and seed.
  LoaderOptions train_loader() const;
};

/// Opens one part of the data set, see read_voc() and read_coco(), and join() for several sources: what is
/// wrong is added to `problems`, and what cannot be used is left out.
RCNN_EXPORT std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split,
                                          Problems& problems);

/// The same, but throws DataError with all errors, and logs the warnings.
RCNN_EXPORT std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split);

}  // namespace rcnn::data
