#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// One <object> of an annotation file.
struct VocObject {
  std::string name = {};
  std::array<double, 4> corners = {};  ///< xmin, ymin, xmax, ymax as written: from 1, both inside the box
  bool difficult = false;
  JsonFields attributes = {};  ///< elements that hold a text (pose, truncated), and those in <attributes>
  int64_t position = 0;        ///< among the file's objects, from 1

  // What COCO's files say of it besides.
  std::optional<int64_t> id = {};
  std::optional<double> area = {};
  bool crowd = false;
  std::string segmentation = {};  ///< JSON, also from <polygon>; empty without one
  JsonFields others = {};         ///< keypoints, num_keypoints

  bool operator==(const VocObject&) const = default;
};

/// An annotation file of Pascal VOC.
struct VocFile {
  std::string file_name = {};                ///< of the image, as <filename> has it
  std::optional<int64_t> id = std::nullopt;  ///< <id>: the image's in COCO's files, where it came from there
  std::optional<ImageSize> size = std::nullopt;  ///< nothing when it is absent, or 0 x 0 as some tools write
  std::vector<VocObject> objects = {};

  bool operator==(const VocFile&) const = default;
};

/// What becomes of what is wrong in an annotation file.
struct VocFileOptions {
  Policy bad_boxes = Policy::skip;   ///< boxes that are no four numbers
  Policy bad_values = Policy::skip;  ///< flags and sizes that are none
  Policy bad_images = Policy::stop;  ///< files that are no such XML, or have an object without a class
  bool with_details = true;          ///< attributes, outlines, key points; parts are left out and counted
};

/// Reads an annotation file. What is wrong is added to `problems` under `name`, and objects that are wrong
/// are left out; coordinates need only be numbers. The box of a turned object (<robndbox>) is the hull of
/// what it covers. Nothing is returned for a file that is no such XML: malformed, with a DOCTYPE, without
/// <annotation>, in another encoding than it declares.
RCNN_EXPORT std::optional<VocFile> read_voc_file(const std::filesystem::path& file, const std::string& name,
                                                 Problems& problems, const VocFileOptions& options = {});

/// Writes an annotation file that read_voc_file() gives back; positions do not count. Attributes that VOC
/// does not know become <attributes>, as CVAT writes them; those that are no texts are marked type="json".
/// All texts must be such that XML can hold them. Throws DataError when the disk refuses.
RCNN_EXPORT void write_voc_file(const std::filesystem::path& file, const VocFile& content);

}  // namespace rcnn::data
