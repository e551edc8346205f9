#pragma once

#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::vis {

/// A line through points in the order they are given.
struct Curve {
  std::string name = {};               ///< for the legend; none: it has no place there
  std::vector<double> x = {}, y = {};  ///< as many of each
  bool faint = false;                  ///< thin and pale: what other curves lie on
};

/// A point that is pointed out.
struct Mark {
  double x = 0, y = 0;
  std::string label = {};
};

/// What stands around a plot, and its size.
struct PlotOptions {
  std::string title = {}, x_label = {}, y_label = {};
  bool log_x = false;
  ImageSize size{.height = 600, .width = 900};
};

/// Draws curves, and marks on top of them, over axes that hold all of them: uint8 [H, W, 3] RGB on the CPU,
/// of options.size, to be written by data::write_image. A point whose x or y is not finite, or beyond 1e300,
/// is left out, and the line interrupted there; a point alone between such is a dot. Without any point the
/// axes go from 0 to 1 (1 to 10 with log_x). The font has ASCII only: each other character is a '?'.
///
/// Throws c10::Error for a curve with more x than y or the reverse, an x of 0 or below with log_x, and a size
/// below 200 x 300.
RCNN_EXPORT at::Tensor plot(std::span<const Curve> curves, const PlotOptions& options = {},
                            std::span<const Mark> marks = {});

}  // namespace rcnn::vis
