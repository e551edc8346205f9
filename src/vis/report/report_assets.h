#pragma once

namespace rcnn::vis {

/// report.css and report.js, which travel inside the library.
extern const char* const kReportStyle;
extern const char* const kReportScript;

}  // namespace rcnn::vis
