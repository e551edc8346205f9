#pragma once

#include <string>

#include <c10/core/Device.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn {

/// "auto" (cuda when a device answers), "cpu" or "cuda" as a device. Throws ConfigError for another word, and
/// for cuda where there is none.
RCNN_EXPORT c10::Device parse_device(const std::string& name);

}  // namespace rcnn
