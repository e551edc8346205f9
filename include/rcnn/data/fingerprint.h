#pragma once

#include <cstdint>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// A number for each record in its place: of its id, size, boxes, labels, ignore marks and proposals. Data
/// sets with the same numbers train alike as far as their annotations go; where the files lie and their
/// pixels are left out.
RCNN_EXPORT std::vector<int64_t> fingerprint(const Dataset& dataset);

}  // namespace rcnn::data
