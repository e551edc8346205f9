#pragma once

#include <filesystem>
#include <span>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/problems.h>

namespace rcnn::data {

/// Writes parts as LabelMe's files, see Format::write: a folder for each part with its images and a JSON file
/// beside each. Boxes are rectangles, outlines that say the same box polygons, several outlines of an object
/// polygons of one group_id. A crowd has the flag `crowd`. Attributes that are true or false are flags, and
/// all others lie in the shape's key `attributes`, as X-AnyLabeling has them: LabelMe keeps keys of shapes
/// that it does not know.
void write_labelme(const std::filesystem::path& folder, std::span<const AnnotatedPart> parts,
                   ImageFiles images, Problems& problems);

}  // namespace rcnn::data
