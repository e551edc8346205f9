#pragma once

#include <mutex>
#include <vector>

#include <rcnn/boxes/convention.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::boxes {

/// Which anchors there are: every size with every ratio.
struct AnchorOptions {
  /// Square roots of the anchors' areas, in pixels. On one level all of them are used in every cell; on a
  /// pyramid there is one a level, finest first.
  std::vector<double> sizes = {128, 256, 512};
  std::vector<double> ratios = {0.5, 1, 2};  ///< height / width
  bool rounded = true;                       ///< corners around the cell to whole pixels, halves to even
  /// Pixels from cell to cell: the padded image's size divided by the map's, rounded down, along each side
  /// (torchvision), or the level's stride (detectron2). They differ on maps that a stride does not divide
  /// evenly, such as the last level of a pyramid: 800 pixels and 13 cells make 61 pixels or 64.
  enum class Spacing { fitted, stride } spacing = Spacing::fitted;
  /// Convention::pixels makes py-faster-rcnn's anchors (generate_anchors.py): of the stride's square of
  /// pixels, which a cell is, one of the same area for each ratio, its width and then its height rounded to
  /// whole pixels, times size / stride, around the middle of the square's pixels. `rounded` has no meaning
  /// then.
  Convention convention = Convention::edges;
};

/// Reference boxes around the cells of feature maps (Faster R-CNN, section 3.1.1; FPN, section 4.1).
///
/// A cell (row, column) has its anchors centred on (x spacing * column, y spacing * row), or with
/// Convention::pixels half a stride from there. The order is row, column, ratio, size. The defaults are
/// torchvision's rules, whose weights depend on them. Safe to use from several threads.
class RCNN_EXPORT AnchorGenerator {
 public:
  /// `strides` of the levels, finest first. Throws c10::Error when a pyramid has not one size a level, and
  /// for a stride, size or ratio that is not above 0.
  AnchorGenerator(const AnchorOptions& options, std::vector<int64_t> strides);

  int64_t anchors_per_cell() const { return anchors_per_cell_; }

  /// Anchors of each level, float32 [H * W * anchors_per_cell(), 4], for maps of the given sizes; the first
  /// map tells the size of the padded image, a multiple of its stride. They are made on the device, each time
  /// anew: training at several scales meets hundreds of sizes, of megabytes each.
  std::vector<at::Tensor> anchors(const std::vector<ImageSize>& maps, const at::Device& device);

 private:
  std::vector<at::Tensor> cells_on(const at::Device& device);

  AnchorOptions::Spacing spacing_;
  std::vector<int64_t> strides_;
  int64_t anchors_per_cell_;
  std::mutex mutex_;
  std::vector<at::Tensor> cells_;  // [A, 4] around the origin, one a level, on the device last asked for
};

}  // namespace rcnn::boxes
