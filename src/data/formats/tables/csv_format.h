#pragma once

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// Tables of boxes, a line an object, for the table of formats.
Format csv_format();

}  // namespace rcnn::data
