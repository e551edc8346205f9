#pragma once

#include <string>

#include <c10/core/Device.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn {

/// "auto" (cuda when a GPU answers that this build's kernels run on; warns of one that they do not), "cpu" or
/// "cuda" as a device. Throws ConfigError for another word, and for cuda where there is no such GPU.
RCNN_EXPORT c10::Device parse_device(const std::string& name);

}  // namespace rcnn
