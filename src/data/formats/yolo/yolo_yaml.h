#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rcnn::data {

/// The yaml file of a YOLO data set as ultralytics, Roboflow and CVAT write it: data.yaml.
struct YoloYaml {
  std::filesystem::path file = {};
  std::string path = {};  ///< what the places of the parts start from; empty: the file's folder

  /// "train", "val", "test" with their places: folders, and lists of images.
  std::vector<std::pair<std::string, std::vector<std::string>>> parts = {};

  std::vector<std::string> names = {};                        ///< by number; empty where a number has none
  std::optional<int64_t> class_count = {};                    ///< nc
  std::optional<std::array<int64_t, 2>> keypoint_shape = {};  ///< points, and numbers of each: 2 or 3
  std::string lines = {};                                     ///< yolo_lines, see DataOptions; a key of ours
};

/// Reads the file if it is a mapping that has names of classes, or their count and a part; nothing for any
/// other file. Keys that are not known do not count. Throws DataError, with the line, for such a file that is
/// no yaml or has other values than it should.
std::optional<YoloYaml> read_yolo_yaml(const std::filesystem::path& file);

/// The yaml files of a folder that may be a data set's.
struct FoundYaml {
  std::optional<YoloYaml> yaml = {};     ///< the one that counts
  std::vector<YoloYaml> others = {};     ///< further ones
  std::string failure = {};              ///< why a data set there cannot be read
  std::vector<std::string> unread = {};  ///< why files cannot be read that would not count before `yaml`
};

/// Looks through the yaml files of these names. One that names parts counts before one that names classes
/// alone, and then data, dataset, config before other names. Where two with parts are alike, or the one that
/// would count cannot be read, that is the failure; where two without parts are alike and name other classes,
/// none counts.
FoundYaml find_yolo_yaml(const std::filesystem::path& folder, const std::vector<std::string>& files);

/// What read_yolo_yaml() reads: `parts` with one place each, the names, and `lines` where it is not empty.
std::string to_text(const YoloYaml& yaml);

}  // namespace rcnn::data
