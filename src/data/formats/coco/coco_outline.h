#pragma once

#include <array>
#include <optional>

#include "data/formats/coco/json_fields.h"

namespace rcnn::data {

/// The box x, y, width, height around an outline of COCO: the hull of polygons' points, or of the pixels that
/// run lengths, compressed or not, count (pycocotools.mask.toBbox). Nothing for what holds no outline or
/// cannot be understood.
std::optional<std::array<double, 4>> box_of_outline(json::value segmentation);

/// The box of an entry, read as its "bbox" already; where there is none, that of its "segmentation", which is
/// said. Nothing where there is neither. Throws Wrong for what is no box.
std::optional<std::array<double, 4>> box_or_outline(const JsonBox& box, json::object entry_object,
                                                    const JsonEntry& entry, Problems& problems);

}  // namespace rcnn::data
