#pragma once

namespace rcnn::tools {

/// The config of `rcnn demo`, configs/quick/demo.json.
extern const char* const kDemoConfig;

}  // namespace rcnn::tools
