#pragma once

#include <rcnn/data/formats/format.h>

#include "data/formats/tables/csv_parts.h"

namespace rcnn::data {

/// Open Images' tables, for the table of formats.
Format open_images_format();

/// Whether a table has the columns of Open Images' boxes: ImageID, LabelName, XMin, XMax, YMin, YMax.
bool is_open_images(const TableHead& table);

}  // namespace rcnn::data
