#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "data/formats/tables/csv_table.h"

namespace rcnn::data {

/// Which columns of a table of boxes hold what.
struct CsvColumns {
  /// How a box is written: x1, y1, x2, y2; x, y, width, height; or these as "[x, y, width, height]" in one
  /// column, as Kaggle's tables have them.
  enum class Box { corners, sides, list };

  size_t image = 0, class_name = 0;
  Box kind = Box::corners;
  std::array<size_t, 4> box = {};  ///< of a list only the first
  std::optional<size_t> width = {}, height = {};
  std::vector<std::string> names = {};  ///< of all columns; where there is no header, those of the format
  bool has_header = false;
  bool is_known = false;  ///< those of one of the tools that are known, which leave no doubt

  /// Whether a column holds one of the above.
  bool holds(size_t column) const;

  /// Whether there is one of scores, as tables of what a program detected have it.
  bool has_scores() const;

  /// "image = image_id, class = label, box = x_min, y_min, x_max, y_max"
  std::string text() const;
};

/// What the first rows of a table show of its columns.
struct SeenColumns {
  std::optional<CsvColumns> columns = {};  ///< where there are all that a box needs
  int found = 0;                           ///< of the three: image, class, box
  std::string lacks = {};                  ///< "no column for the class (class, label, ...)"
};

/// Looks for the columns of TensorFlow's tables (filename, width, height, class, xmin, ymin, xmax, ymax),
/// VoTT's, makesense's and others by the names in the header. Without a header for those of RetinaNet
/// (image, x1, y1, x2, y2, class), with the image's width and height after them (SKU-110K), and those of
/// makesense (class, x, y, width, height, image, width, height).
SeenColumns find_columns(const std::vector<CsvRow>& first_rows);

}  // namespace rcnn::data
