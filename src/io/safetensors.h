#pragma once

#include <rcnn/io/safetensors.h>

#include "io/files/file_system.h"
#include "io/files/mapped_file.h"

namespace rcnn::io {

/// The reader without the file, for other readers and the fuzzers. Throws Refusal.
SafeTensors parse_safetensors(const Memory& file);

/// What the public function of this name does, through `files`.
void write_safetensors(const std::filesystem::path& file, const SafeTensors& content, FileSystem& files);

}  // namespace rcnn::io
