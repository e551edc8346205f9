#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/data/problems.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// One <object> of an annotation file.
struct VocObject {
  std::string name = {};
  std::array<double, 4> corners = {};  ///< xmin, ymin, xmax, ymax as written: from 1, both inside the box
  bool difficult = false;
  std::vector<std::pair<std::string, std::string>> others =
      {};                ///< further elements that hold a text: pose, truncated
  bool parts = false;    ///< there are elements that hold others, such as <part>
  int64_t position = 0;  ///< among the file's objects, from 1
};

/// An annotation file of Pascal VOC.
struct VocFile {
  std::string file_name = {};                ///< of the image, as <filename> has it
  std::optional<int64_t> id = std::nullopt;  ///< <id>: the image's in COCO's files, where it came from there
  std::optional<ImageSize> size = std::nullopt;  ///< nothing when it is absent, or 0 x 0 as some tools write
  std::vector<VocObject> objects = {};
};

/// Reads an annotation file. What is wrong is added to `problems` under `name`, and objects that are wrong
/// are left out; coordinates need only be numbers. Nothing is returned, after an error, for a file that is no
/// such XML: malformed, with a DOCTYPE, without <annotation>.
RCNN_EXPORT std::optional<VocFile> read_voc_file(const std::filesystem::path& file, const std::string& name,
                                                 Problems& problems);

/// Writes an annotation file that read_voc_file() gives back; `parts` and positions do not count. Throws
/// DataError when the disk refuses.
RCNN_EXPORT void write_voc_file(const std::filesystem::path& file, const VocFile& content);

}  // namespace rcnn::data
