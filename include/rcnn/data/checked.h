#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/data/dataset.h>
#include <rcnn/export.h>

/// A data set held to what it promises, for what would otherwise be learnt, or scored, as something else.
namespace rcnn::data {

/// Throws DataError, which names the record, unless each object's label is one of dataset.categories().
RCNN_EXPORT void check_labels(const Dataset& dataset);

/// The image's pixels, see Dataset::image. Throws DataError, which names the file, when they are not of the
/// record's size: the file has changed since the records were read, and their boxes no longer fit. A record
/// without a size, 0 x 0, takes any.
RCNN_EXPORT at::Tensor checked_image(const Dataset& dataset, int64_t index);

}  // namespace rcnn::data
