#pragma once

#include <cstdint>

#include <CLI/CLI.hpp>

namespace rcnn::tools {

/// --max-dets, of commands that score.
inline CLI::Option* add_max_detections(CLI::App& command, int64_t& max_detections) {
  return command
      .add_option("--max-dets", max_detections,
                  "take AP at so many results of an image and class; published scores take it at 100, and "
                  "pycocotools knows no other (-1 where maxDets has no 100)")
      ->check(CLI::Range(11, 1'000'000))
      ->capture_default_str();
}

}  // namespace rcnn::tools
