#pragma once

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// CVAT's XML for images, for the table of formats.
Format cvat_format();

}  // namespace rcnn::data
