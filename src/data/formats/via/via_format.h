#pragma once

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// The VGG Image Annotator's JSON files, for the table of formats.
Format via_format();

}  // namespace rcnn::data
