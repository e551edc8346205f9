#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// What a safetensors file holds: named tensors, and text that describes them.
struct SafeTensors {
  std::map<std::string, at::Tensor> tensors;    ///< CPU, contiguous
  std::map<std::string, std::string> metadata;  ///< the header's "__metadata__"
};

/// Reads a safetensors file (8-byte little-endian header length, JSON header, raw data): F64, F32, F16, BF16,
/// I64, I32, I16, I8, U8 and BOOL. Header lengths, offsets, shapes and their products are checked against the
/// file's size before anything is allocated; the header may be 100 MB at most, and the data may neither
/// overlap nor leave holes. The whole file is verified by the "rcnn.checksum" of write_safetensors, or by
/// ours of rcnn 0.1.0, "checksum", which may be others' instead; that is then not part of the result.
///
/// The tensors alias the file, which is mapped: it must not be overwritten in place while they live
/// (replacing it, as write_safetensors does, is fine). Writing to a tensor never changes the file. Those that
/// are not aligned for their type are copies. Throws WeightsError with the file, the tensor and the reason.
RCNN_EXPORT SafeTensors read_safetensors(const std::filesystem::path& file);

/// Writes `content` so that at every moment either the old file or the whole new one is there (as
/// write_atomically). The same content gives the same bytes. Tensors may be on any device and have any
/// strides.
///
/// The metadata gets an entry "rcnn.checksum": "xxh3-64:<16 hexadecimal digits>", in the place of one of this
/// name: XXH3 of the file, these digits taken as '0'. Other programs read the file as ever; one that changes
/// it and keeps the metadata has to drop the entry.
///
/// Throws DataError when the disk refuses or has no room for it, WeightsError for a dtype that the format has
/// no name for and for a name or metadata that are not UTF-8.
RCNN_EXPORT void write_safetensors(const std::filesystem::path& file, const SafeTensors& content);

}  // namespace rcnn::io
