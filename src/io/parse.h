#pragma once

#include <rcnn/io/safetensors.h>
#include <rcnn/io/weight_file.h>

#include "io/files/mapped_file.h"

namespace rcnn::io {

// The readers without the file: what the public functions, and the fuzzers, give a file's bytes to. They
// throw Refusal.

SafeTensors parse_safetensors(const Memory& file);
WeightFile parse_weight_file(const Memory& file, Averages averages = Averages::leave_out);

}  // namespace rcnn::io
