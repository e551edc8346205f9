#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <opencv2/core.hpp>

#include <rcnn/types.h>

namespace rcnn::tools {

/// What there is to find in a scene. The classes differ in shape and favour a colour each; backgrounds and
/// clutter have all colours, and size and texture say nothing.
inline constexpr std::array<std::string_view, 5> kShapes = {"circle", "cross", "square", "star", "triangle"};

struct SceneObject {
  size_t shape = 0;        ///< into kShapes
  cv::Rect box;            ///< around the pixels that can be seen, no larger
  bool truncated = false;  ///< reaches over the border of the image
  bool difficult = false;  ///< mostly hidden by other objects
};

struct Scene {
  at::Tensor image;                  ///< uint8 [H, W, 3] RGB
  cv::Mat owners;                    ///< uint8: which object is seen at a pixel, counted from 1; 0 for none
  std::vector<SceneObject> objects;  ///< 1 to 6, from the hindmost to the foremost
};

/// Draws one scene. Sizes are those of a picture 192 pixels high and grow with its shorter side.
Scene draw_scene(ImageSize size, uint64_t seed);

}  // namespace rcnn::tools
