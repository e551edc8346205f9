#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>

namespace rcnn::data {

// Keys of LabelMe's files that both reading and writing need.
inline constexpr const char *kLabelmeCrowd = "crowd", *kLabelmeDescription = "description",
                            *kLabelmeGroup = "group_id", *kLabelmeAttributes = "attributes";

/// An object of a LabelMe file: a shape, or several of one group and label.
struct LabelmeObject {
  std::string label = {};
  CocoAnnotation annotation = {};               ///< its box, crowd and position
  CocoDetails details = {};                     ///< where they were asked for
  std::optional<int64_t> group = std::nullopt;  ///< of its shape, where it is the only one
};

/// What a LabelMe file says of its image.
struct LabelmeFile {
  std::string image_path = {};  ///< from the file's folder, as it stands there; may be empty
  bool has_picture = false;     ///< the image itself is in imageData
  ImageSize size = {};          ///< 0 x 0 where it is not stated
  std::vector<LabelmeObject> objects = {};
  std::string flags = {};  ///< of the image, as JSON; empty without some
};

/// What a JSON file turned out to be.
enum class LabelmeKind { labelme, other, damaged };

/// Whether a JSON text begins as LabelMe's files do.
bool is_labelme(std::string_view head);

/// Reads the JSON file that lies at `name` below `root`. Shapes are boxes: a rectangle's, that around an
/// outline, a circle or a mask. Outlines, circles and masks of one group_id and label are one object, as in
/// LabelMe's own shapes_to_label() and labelme2coco.py; rectangles are one each (labelme2voc.py). Lines and
/// points have no area and are left out. What is wrong is added to `problems`; nothing is returned but for
/// LabelmeKind::labelme.
std::pair<LabelmeKind, LabelmeFile> read_labelme_file(const std::filesystem::path& root,
                                                      const std::string& name, const DataOptions& options,
                                                      bool with_details, Problems& problems);

}  // namespace rcnn::data
