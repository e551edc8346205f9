#pragma once

#include <rcnn/io/weight_file.h>

#include "io/pickle/pickle.h"
#include "io/tensor_reader.h"

namespace rcnn::io {

/// Fills all of `file` but its format from what a pickle holds, as weight_file.h says.
/// Values that share or contain themselves are walked so far and no further. Throws Refusal.
void read_tree(const pickle::Value& root, TensorReader& reader, size_t file_size, Averages averages,
               WeightFile& file);

}  // namespace rcnn::io
