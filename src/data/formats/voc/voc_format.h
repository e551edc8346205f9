#pragma once

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// Data sets of Pascal VOC's annotation files, for the table of formats.
Format voc_format();

}  // namespace rcnn::data
