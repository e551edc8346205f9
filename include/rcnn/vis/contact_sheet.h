#pragma once

#include <span>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::vis {

/// One box of an image's ground truth.
struct SheetBox {
  Box box;              ///< in the pixels of the image as it is given
  int64_t label = 0;    ///< 1..C
  bool ignore = false;  ///< difficult or crowd: framed by a broken line
};

/// How a contact sheet is laid out.
struct SheetOptions {
  int64_t columns = 6;
  ImageSize thumbnail{.height = 300, .width = 400};  ///< that pictures are made to fit into
};

/// A page of thumbnails in rows, each with its boxes in their classes' colours, its name, its size and how
/// many boxes it has, and below them all a legend of the classes that are to be seen. Pictures are resized
/// before boxes are drawn, so that lines and letters are as thick on each. A class's name stands at its boxes
/// where there is room for it beside others'; the legend holds it in any case. The font has ASCII only: each
/// other character of a name is a '?'.
class RCNN_EXPORT ContactSheet {
 public:
  explicit ContactSheet(std::vector<Category> categories, const SheetOptions& options = {});

  /// Adds uint8 [H, W, 3] RGB on the CPU; only its thumbnail is kept. Throws c10::Error for another kind of
  /// image, one without pixels, a label outside 1..C and a box that is not finite.
  void add(const at::Tensor& image, std::span<const SheetBox> boxes, const std::string& name);

  int64_t size() const { return static_cast<int64_t>(tiles_.size()); }

  /// The page, uint8 [H, W, 3] RGB; as many columns as there are images, `columns` at most. Throws c10::Error
  /// without any image.
  at::Tensor page() const;

 private:
  struct Tile {
    at::Tensor picture;
    std::string name, facts;
    bool empty = false;
  };

  std::vector<Category> categories_;
  SheetOptions options_;
  std::vector<Tile> tiles_;
  std::vector<int64_t> counts_;  // of boxes, by label - 1
  bool any_ignored_ = false;
};

}  // namespace rcnn::vis
