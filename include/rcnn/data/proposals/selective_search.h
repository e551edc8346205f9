#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// How Selective Search looks for regions.
struct RCNN_EXPORT SelectiveSearchOptions {
  enum class Mode { single, fast, quality } mode = Mode::fast;  ///< 1, 12 and 100 groupings
  int64_t limit = 2000;                                         ///< the best so many boxes; 0 for all
  int64_t min_side = 20;  ///< boxes with a shorter side, in pixels of the image, are dropped

  /// "single", "fast" or "quality"; nothing for another word.
  static std::optional<Mode> mode_of(const std::string& word);

  /// The mode's word.
  std::string word() const;
};

/// Boxes that may hold an object by Selective Search (Uijlings et al. 2013) as OpenCV's ximgproc has it, best
/// first, without scores. Its base regions are 100 pixels at least, and "fast" has 12 groupings, not the
/// paper's 8.
///
/// image     uint8 [H, W, 3] RGB on the CPU
/// seed      its ranks are random: the same image, options and seed give the same boxes
/// returns   boxes in the image's pixels, x2 and y2 exclusive; the whole image as the only one where there is
///           none with sides of min_side
///
/// It draws from the C library's rand(), whose state it leaves changed: calls of several threads wait for
/// each other, and search_images() has processes instead. Throws c10::Error for what is no image and for
/// negative options.
RCNN_EXPORT std::vector<Box> selective_search(const at::Tensor& image, const SelectiveSearchOptions& options,
                                              uint64_t seed);

}  // namespace rcnn::data
