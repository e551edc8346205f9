#pragma once

#include <rcnn/io/weight_file.h>

#include "io/files/mapped_file.h"

namespace rcnn::io {

/// The reader without the file, for the fuzzers and tests. Throws Refusal.
WeightFile parse_weight_file(const Memory& file, Averages averages = Averages::leave_out);

}  // namespace rcnn::io
