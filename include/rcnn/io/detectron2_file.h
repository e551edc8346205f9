#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// Writes a .pkl file as detectron2 loads it: {"model": {name: numpy.ndarray}, "__author__": "rcnn",
/// "matching_heuristics": False}, in the order of the names. Python's pickle.load reads it where numpy is.
///
/// At every moment either the old file or the whole new one is there; the same tensors give the same bytes.
/// Throws DataError when the disk refuses, WeightsError for a name that is not UTF-8 and for a dtype that
/// numpy lacks, which bfloat16 is.
RCNN_EXPORT void write_detectron2(const std::filesystem::path& file,
                                  const std::map<std::string, at::Tensor>& tensors);

}  // namespace rcnn::io
