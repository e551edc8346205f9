#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/data/problems.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// How thoroughly check() looks.
struct CheckOptions {
  bool decode = true;  ///< every image, on all cores; otherwise only their headers are read
  /// Called now and then, in the caller's thread, while images are decoded.
  std::function<void(int64_t done, int64_t total)> on_progress = {};
};

/// How many values lie from edges[i] up to edges[i + 1], whose last may be infinite.
struct Histogram {
  std::vector<double> edges = {};
  std::vector<int64_t> counts = {};
};

/// The stored proposals of a part's images, as a training sees them: the best so many, clipped.
struct ProposalCheck {
  std::filesystem::path file;
  int64_t boxes = 0, most = 0;       ///< of all images; of the image that has the most
  int64_t empty_images = 0;          ///< without any
  int64_t objects = 0, covered = 0;  ///< those to find, and how many have a proposal with an IoU of 0.5
};

/// What there is to know of one part of a data set before training on it.
struct DatasetCheck {
  std::string name;
  Problems problems = {};  ///< errors are what would stop a training
  int64_t images = 0, empty_images = 0;
  std::vector<ClassCount> classes = {};           ///< the last is of all classes
  Histogram sizes = {};                           ///< of boxes: square roots of their areas, in pixels
  Histogram ratios = {};                          ///< of boxes: width / height
  std::optional<ProposalCheck> proposals = {};    ///< where the part names a file that can be used
  std::vector<std::filesystem::path> files = {};  ///< canonical, of the images that can be used
};

/// Opens the part as a training would, with the policies of its options, and looks closer than that: decodes
/// images, counts stored proposals and the objects that they cover, and warns of links out of the data set,
/// very long images, objects that are there twice, classes of fewer than five objects, and names of classes
/// that differ by letters' case or by blanks. Never throws for what is wrong with the data, missing files
/// included.
RCNN_EXPORT DatasetCheck check(const DatasetPart& part, const CheckOptions& options = {});

/// What is odd between parts, as warnings: images that two parts have in common, unless one of these holds
/// all of the other and may, as trainval holds train; classes with objects that the part for training has
/// none of, where one is called train or trainval.
RCNN_EXPORT Problems compare(const std::vector<DatasetCheck>& parts);

}  // namespace rcnn::data
