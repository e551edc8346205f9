#pragma once

#include <rcnn/io/weight_file.h>

#include "io/files/mapped_file.h"

namespace rcnn::io {

/// A .caffemodel: one tensor a blob, "conv1.blobs.0" of the layer conv1. Throws Refusal.
WeightFile read_caffe(const Memory& file);

}  // namespace rcnn::io
