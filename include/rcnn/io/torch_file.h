#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// Writes a .pth file that torch.load(file, weights_only=True) reads: an OrderedDict of name -> tensor, in
/// the order of the names, every tensor contiguous in a storage of its own. Tensors may be on any device, of
/// any strides, without dimensions or empty; of floating point (bfloat16 included), integers of 8 to 64 bits
/// or bool.
///
/// At every moment either the old file or the whole new one is there; the same tensors give the same bytes.
/// Throws DataError when the disk refuses, WeightsError for another dtype or a name that is not UTF-8.
RCNN_EXPORT void write_torch(const std::filesystem::path& file,
                             const std::map<std::string, at::Tensor>& tensors);

}  // namespace rcnn::io
