#pragma once

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// Data sets in Pascal VOC's layout, for the table of formats.
Format voc_format();

}  // namespace rcnn::data
