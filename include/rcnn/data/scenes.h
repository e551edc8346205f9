#pragma once

#include <cstdint>
#include <filesystem>

#include <rcnn/types.h>

namespace rcnn::data {

struct SceneOptions {
  int64_t train = 400;  ///< images in ImageSets/Main/train.txt
  int64_t test = 100;   ///< images in ImageSets/Main/test.txt
  ImageSize size{192, 256};
  uint64_t seed = 0;
};

/// Draws a small data set in the Pascal VOC layout under `root`: outlined and filled shapes of several
/// classes on textured backgrounds, with clutter that belongs to no class, overlap, and scales from small to
/// large. The same options give the same files. Throws DataError when `root` cannot be written.
void draw_scenes(const std::filesystem::path& root, const SceneOptions& options);

}  // namespace rcnn::data
