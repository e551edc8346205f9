#pragma once

#include <rcnn/io/weight_file.h>

#include "io/files/mapped_file.h"
#include "io/pickle/pickle.h"

namespace rcnn::io {

// The formats that hold a pickle. They throw Refusal.

/// torch.save since torch 1.6: a zip archive of data.pkl and one file a storage.
WeightFile read_torch_zip(const Memory& file, Averages averages);

/// torch.save before: five pickles, then the storages.
WeightFile read_torch_legacy(const Memory& file, Averages averages);

/// One pickle alone, with numpy arrays in it.
WeightFile read_numpy_pickle(const Memory& file, const pickle::Pickle& content, Averages averages);

/// Whether the first pickle of a file is the legacy format's magic number.
bool is_legacy_magic(const pickle::Value& value);

}  // namespace rcnn::io
