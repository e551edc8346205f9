#pragma once

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// LabelMe's JSON files, for the table of formats.
Format labelme_format();

}  // namespace rcnn::data
