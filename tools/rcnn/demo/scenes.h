#pragma once

#include <cstdint>
#include <filesystem>

#include <rcnn/types.h>

namespace rcnn::tools {

/// How much draw_scenes() draws.
struct SceneOptions {
  int64_t train = 400;  ///< images in ImageSets/Main/train.txt
  int64_t test = 100;   ///< images in ImageSets/Main/test.txt
  ImageSize size{192, 256};
  uint64_t seed = 0;
};

/// Draws a small data set in the Pascal VOC layout under `root`: circles, crosses, squares, stars and
/// triangles, each kind in shades of its colour, filled, striped or outlined, on textured backgrounds, with
/// clutter that belongs to no class, overlap, and scales from small to large. Boxes surround what can be
/// seen; objects mostly hidden are "difficult". The same options give the same files. Throws ConfigError
/// when `root` holds anything already, DataError when it cannot be written.
void draw_scenes(const std::filesystem::path& root, const SceneOptions& options);

}  // namespace rcnn::tools
