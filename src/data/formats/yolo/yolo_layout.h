#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/data/formats/format.h>
#include <rcnn/data/formats/place.h>

#include "data/formats/yolo/yolo_files.h"

namespace rcnn::data {

/// What all parts of a YOLO data set have in common.
struct YoloSet {
  std::vector<std::string> names = {};                  ///< of the classes, in the yaml file
  std::vector<std::filesystem::path> names_files = {};  ///< where there are none
  std::string names_origin = {};                        ///< what messages call either

  /// Files whose names do not count, and with what they say: they should say the same.
  std::vector<std::filesystem::path> other_files = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> other_names = {};

  std::vector<std::string> unread = {};                       ///< see FoundYaml
  std::optional<int64_t> class_count = {};                    ///< what the yaml says
  std::optional<std::array<int64_t, 2>> keypoint_shape = {};  ///< see YoloYaml
  std::string lines = {};                                     ///< see YoloYaml
};

/// Images of a part that lie below one folder, or that one list names.
struct YoloPiece {
  YoloFiles files;
  std::string top = {};                  ///< a folder: names of images start from it
  std::vector<YoloImage> images = {};    ///< sorted
  std::string list = {};                 ///< instead of `images`: the file that names them, below the root
  std::vector<std::string> strays = {};  ///< labels whose image is not there
  std::vector<std::string> loose = {};   ///< texts beside images that may be such labels
};

/// One part of a YOLO data set.
struct YoloPart {
  std::string name = {};
  std::vector<YoloPiece> pieces = {};
  std::shared_ptr<const YoloSet> set = {};
  std::string error = {};                                       ///< why it cannot be read
  std::vector<std::pair<std::string, std::string>> notes = {};  ///< warnings: what, where

  std::vector<YoloPiece> replaced = {};  ///< folders in whose place `lists` are read
  std::vector<std::string> lists = {};   ///< this part's and those beside it
};

/// The parts of a place that is a YOLO data set, none for another: what its yaml file says, what darknet's
/// obj.data says, or the folders as they lie; and further lists of images at its top.
std::vector<YoloPart> yolo_parts(const Place& place);

/// What is there of a YOLO data set in a place that is none.
Nearness near_yolo(const Place& place);

}  // namespace rcnn::data
