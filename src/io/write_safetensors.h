#pragma once

#include <rcnn/io/safetensors.h>

#include "io/files/file_system.h"

namespace rcnn::io {

/// What the public function of this name does, through `files`.
void write_safetensors(const std::filesystem::path& file, const SafeTensors& content, FileSystem& files);

}  // namespace rcnn::io
