#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>

namespace rcnn::data {

/// A region of an image.
struct ViaRegion {
  std::string class_name = {};
  CocoAnnotation annotation = {};  ///< its box and position
  CocoDetails details = {};        ///< where they were asked for
};

/// An image of a VIA file.
struct ViaImage {
  std::string file_name = {};  ///< a path or a name; of an address its last part
  std::vector<ViaRegion> regions = {};
  std::string attributes = {};  ///< of the file, as JSON; empty without some
};

/// Whether a JSON text begins as VIA's files do: its projects and exported annotations, also those of VIA 3.
bool is_via(std::string_view head);

/// Reads a project or exported annotations of the VGG Image Annotator, versions 1 and 2. The class of a
/// region is its attribute `class`, `label` or `category`, else `name`, `type` or `object`, in upper or lower
/// case, or else the only one it has; where there is no attribute at all and the options have one class,
/// that. The box is the rectangle or lies around the polygon, circle or ellipse; points and lines have no
/// area and are left out. Entries that are wrong are added to `problems` and left out. Throws DataError for
/// what cannot be read at all, for VIA 3, and where it is not clear which attribute is the class.
std::vector<ViaImage> read_via_file(const std::filesystem::path& file, const DataOptions& options,
                                    bool with_details, Problems& problems);

}  // namespace rcnn::data
