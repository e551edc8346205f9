#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/formats/part_builder.h"
#include "data/formats/tables/csv_parts.h"

namespace rcnn::data {

/// The images that the rows of a table are of, in the order in which they come first. The rows of an image
/// need not stand together.
class TableImages {
 public:
  /// An image that is in none of the folders, or of which several folders have one of that name.
  struct Absent {
    std::string name;
    int64_t line = 0;  ///< where it comes first
  };

  /// `limit` is of images, 0 for all.
  TableImages(const TablePart& table, int64_t limit, PartBuilder& builder)
      : table_(table), limit_(limit), builder_(builder) {}

  /// The place in `builder` of the image that the table calls so in a line. None when it is absent, or one
  /// too many.
  std::optional<size_t> of(std::string_view name, int64_t line);

  /// Warns of the images beside those of the table that it does not name, and that are left out. Not of those
  /// that may be another part's: where parts share a folder, nobody knows whose they are.
  void tell_unnamed(Problems& problems) const;

  const std::vector<Absent>& absent() const { return absent_; }
  int64_t rows_of_absent() const { return rows_of_absent_; }

 private:
  static constexpr size_t kAbsent = std::numeric_limits<size_t>::max(), kTooMany = kAbsent - 1;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::optional<std::string> find(std::string_view name) const;

  const TablePart& table_;
  int64_t limit_;
  PartBuilder& builder_;
  std::unordered_map<std::string, size_t, Hash, std::equal_to<>> places_;  // by the table's names
  std::unordered_map<std::string, size_t> files_;                          // two names may be of one file
  std::string last_;
  size_t last_place_ = kTooMany;
  std::vector<Absent> absent_;
  int64_t rows_of_absent_ = 0;
};

/// Takes boxes that are shares of the images' sides into pixels, by the headers of the images, which the part
/// then has.
void scale_by_sides(AnnotatedPart& part, int64_t max_megapixels);

}  // namespace rcnn::data
