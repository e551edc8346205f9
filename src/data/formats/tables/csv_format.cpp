#include "data/formats/tables/csv_format.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/found_images.h"
#include "data/formats/part_builder.h"
#include "data/formats/tables/csv_columns.h"
#include "data/formats/tables/csv_images.h"
#include "data/formats/tables/csv_parts.h"
#include "data/formats/tables/csv_table.h"
#include "data/formats/tables/open_images_format.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// Whether rows are those of RetinaNet's class_mapping.csv: the name of a class, and its number.
bool is_class_mapping(const std::vector<CsvRow>& rows) {
  const auto is_row = [](const CsvRow& row) {
    return row.size() == 2 && !row[0].empty() && number<int64_t>(row[1]);
  };
  if (rows.empty()) return false;
  const bool has_header = !is_row(rows.front()) && rows.front().size() == 2;
  return std::ssize(rows) > int{has_header} &&
         std::all_of(rows.begin() + int{has_header}, rows.end(), is_row);
}

/// The classes of such a file by their numbers.
std::vector<Category> read_class_mapping(const fs::path& file, const std::string& name, Problems& problems) {
  std::vector<Category> classes;
  CsvTable table(file);
  CsvFields fields;
  for (bool is_first = true; table.next(fields); is_first = false) {
    const auto where = fmt::format("{} line {} ({})", name, table.line(), fmt::join(fields, ", "));
    const auto id = number<int64_t>(fields.back());
    if (!id && is_first) continue;  // a header
    if (!id || fields.size() != 2 || fields[0].empty()) {
      problems.error("a class without a name and a whole number", where);
      continue;
    }
    const Category category{.id = *id, .name = std::string(fields[0])};
    const auto is_known = [&](const Category& known) {
      return known.id == category.id || known.name == category.name;
    };
    if (std::ranges::any_of(classes, is_known)) {
      problems.error("a class is there twice", where);
    } else {
      classes.push_back(category);
    }
  }
  std::ranges::sort(classes, {}, &Category::id);
  return classes;
}

/// The four numbers of "[x, y, width, height]".
CsvFields numbers_of_list(std::string_view text) {
  constexpr std::string_view kAround = " \t[]()", kBetween = ", ;\t";
  CsvFields numbers;
  const size_t begin = text.find_first_not_of(kAround), end = text.find_last_not_of(kAround);
  if (begin == std::string_view::npos) return numbers;
  text = text.substr(begin, end - begin + 1);
  while (!text.empty()) {
    const size_t size = std::min(text.find_first_of(kBetween), text.size());
    if (size > 0) numbers.push_back(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return numbers;
}

/// Reads the rows of one table into a part.
class CsvReader {
 public:
  CsvReader(const TablePart& part, const DataOptions& options, bool with_details, Problems& problems)
      : part_(part), options_(options), with_details_(with_details), problems_(problems), table_(part.file) {
    columns_ = find_columns(tables_of(Place(part.file)).front().rows).columns;
    if (!columns_) throw DataError(fmt::format("{}: is no table of boxes", part.file.string()));
    if (!columns_->is_known)
      problems_.warn("columns that were told by their names",
                     fmt::format("{} ({})", part.name, columns_->text()));
  }

  AnnotatedPart read(const std::string& name, int64_t limit) {
    PartBuilder builder(name, part_.root, with_details_);
    TableImages images(part_, limit, builder);
    if (columns_->has_header) table_.next(fields_);
    while (table_.next(fields_)) add_row(images, builder);
    check_order();
    auto part = take(builder);
    settle_images(part);
    images.tell_unnamed(problems_);
    for (const auto& image : images.absent()) {
      problems_.bad(options_.bad_images, "bad_images", "an image that is not there, or several of its name",
                    fmt::format("{} line {} ({})", part_.name, image.line, image.name));
    }
    if (has_fractions_ && largest_ <= kLargestShare) scale(part);
    part.place = [file = part_.name](const CocoImage&, const CocoAnnotation& annotation) {
      return fmt::format("{} line {}", file, annotation.position);
    };
    return part;
  }

 private:
  static constexpr double kLargestShare = 1.01;  // some programs end a little above 1

  std::string where() const { return fmt::format("{} line {}", part_.name, table_.line()); }
  std::string_view field(size_t column) const { return fields_[column]; }

  void add_row(TableImages& images, PartBuilder& builder) {
    while (fields_.size() > columns_->names.size() && fields_.back().empty()) fields_.pop_back();
    if (fields_.size() != columns_->names.size()) {
      problems_.bad(options_.bad_boxes, "bad_boxes",
                    "a row with more or fewer fields than the table has columns",
                    fmt::format("{} ({} fields, not {})", where(), fields_.size(), columns_->names.size()));
      if (columns_->image < fields_.size()) images.of(field(columns_->image), table_.line());  // it stays
      return;
    }
    if (field(columns_->image).empty()) {
      problems_.error("a row without the name of an image", where());
      return;
    }
    const auto image = images.of(field(columns_->image), table_.line());
    if (!image) return;
    state_size(builder.image(*image));
    const auto corners = box_fields();
    const auto& class_name = field(columns_->class_name);
    if (class_name.empty() && std::ranges::all_of(corners, &std::string_view::empty)) return;  // no object
    if (class_name.empty()) {
      problems_.error("an object without a class", where());
      return;
    }
    const auto box = box_of(corners);
    if (!box) return;
    ++boxes_;
    builder.add_object(*image, std::string(class_name), *box, static_cast<int32_t>(table_.line()));
    if (with_details_) add_attributes(builder.details());
  }

  CsvFields box_fields() const {
    if (columns_->kind == CsvColumns::Box::list) return numbers_of_list(field(columns_->box[0]));
    CsvFields corners;
    for (const size_t column : columns_->box) corners.push_back(field(column));
    return corners;
  }

  std::optional<std::array<double, 4>> box_of(const CsvFields& texts) {
    std::array<double, 4> box = {};
    bool is_box = texts.size() == box.size();
    for (size_t i = 0; is_box && i < box.size(); ++i) {
      box[i] = table_.number_of(texts[i]);
      is_box = !std::isnan(box[i]);
    }
    if (!is_box) {
      problems_.bad(options_.bad_boxes, "bad_boxes", "a box that is not four numbers",
                    fmt::format("{} ({})", where(), fmt::join(texts, ", ")));
      return std::nullopt;
    }
    for (const double side : box) {
      largest_ = std::max(largest_, std::abs(side));
      has_fractions_ |= side != std::floor(side);
    }
    if (columns_->kind == CsvColumns::Box::corners) {
      box[2] -= box[0];
      box[3] -= box[1];
      turned_ += int{box[2] < 0 || box[3] < 0};
    }
    return box;
  }

  /// A table of x, y, width, height without a header looks like one of corners.
  void check_order() const {
    if (2 * turned_ <= boxes_) return;
    throw DataError(fmt::format(
        "{}: {} of {} boxes end before they begin (x2 < x1 or y2 < y1); where the columns are x, y, width, "
        "height, say so in a header: image,x,y,w,h,class",
        part_.file.string(), turned_, boxes_));
  }

  void state_size(CocoImage& image) {
    if (!columns_->width || !columns_->height) return;
    const auto width = field(*columns_->width), height = field(*columns_->height);
    if (width == last_width_ && height == last_height_ && image.size == last_size_) return;
    const double w = table_.number_of(width), h = table_.number_of(height);
    constexpr double kLargestSide = 1e6;
    const auto is_side = [](double side) {
      return side >= 0 && side <= kLargestSide && side == std::floor(side);
    };
    if (width.empty() && height.empty()) return;
    const ImageSize size{static_cast<int64_t>(is_side(h) ? h : 0), static_cast<int64_t>(is_side(w) ? w : 0)};
    if (!is_side(w) || !is_side(h)) {
      problems_.bad(options_.bad_values, "bad_values", "a size of an image that is not two whole numbers",
                    fmt::format("{} ({} x {})", where(), width, height));
    } else if (image.size != ImageSize() && image.size != size) {
      problems_.bad(options_.bad_values, "bad_values",
                    "an image of which rows state two sizes; the first is taken",
                    fmt::format("{} ({} x {}, before {} x {})", where(), width, height, image.size.width,
                                image.size.height));
    } else if (size.width != 0 && size.height != 0) {
      image.size = size;
      last_width_ = width, last_height_ = height, last_size_ = size;
    }
  }

  void add_attributes(CocoDetails& details) const {
    for (size_t column = 0; column < fields_.size(); ++column) {
      if (!columns_->holds(column) && !fields_[column].empty() && !columns_->names[column].empty())
        details.attributes.emplace_back(columns_->names[column], json_of_field(fields_[column]));
    }
  }

  AnnotatedPart take(PartBuilder& builder) {
    if (part_.classes.empty()) return builder.take();
    const auto file = part_.classes.filename().string();
    const auto known = read_class_mapping(part_.classes, file, problems_);
    auto part = builder.take(known);
    for (size_t i = known.size(); i < part.content.categories.size(); ++i) {
      problems_.warn(fmt::format("a class that is not in {}", file),
                     fmt::format("{} ({})", part_.name, part.content.categories[i].name));
    }
    return part;
  }

  void scale(AnnotatedPart& part) {
    problems_.warn("boxes in shares of the images' sides, 0 to 1, not in pixels", part_.name);
    scale_by_sides(part, options_.max_megapixels);
  }

  const TablePart& part_;
  const DataOptions& options_;
  bool with_details_;
  Problems& problems_;
  CsvTable table_;
  std::optional<CsvColumns> columns_ = {};
  CsvFields fields_ = {};
  int64_t boxes_ = 0, turned_ = 0;
  double largest_ = 0;
  bool has_fractions_ = false;
  std::string last_width_ = {}, last_height_ = {};
  ImageSize last_size_ = {};
};

/// The file of class names beside a table, or above it.
fs::path class_mapping_of(const Place& place, const std::vector<TableHead>& tables, const TableHead& table) {
  if (!place.is_folder()) {
    for (const char* name : {"class_mapping.csv", "classes.csv", "_classes.csv", "class_list.csv"}) {
      const auto file = place.path().parent_path() / name;
      if (is_there(file) && is_class_mapping(tables_of(Place(file)).front().rows)) return file;
    }
    return {};
  }
  const auto own = fs::path(table.file).parent_path();
  fs::path found;
  for (const auto& other : tables) {
    const fs::path file = other.file;
    const auto name = lower(file.filename().string());
    if (name.find("class") == std::string::npos && name.find("label") == std::string::npos) continue;
    if (is_class_mapping(other.rows) && lies_in(own, file.parent_path()))
      found = place.path() / file;  // the nearest comes last
  }
  return found;
}

std::vector<DatasetPart> csv_parts(const Place& place, const LocateOptions& options) {
  const auto tables = tables_of(place);
  auto of_boxes = tables;
  std::erase_if(of_boxes, [&](const TableHead& table) {
    const auto columns = find_columns(table.rows).columns;
    return is_open_images(table) || !columns || (place.is_folder() && columns->has_scores());
  });
  return table_parts(
      place, options, of_boxes,
      [](const TableHead& table) {
        const auto column = find_columns(table.rows).columns->image;
        std::set<std::string> images;
        for (const auto& row : table.rows) {
          if (column < row.size()) images.insert(row[column]);
        }
        return images;
      },
      [&](const TableHead& table) { return class_mapping_of(place, tables, table); });
}

Nearness csv_near(const Place& place) {
  constexpr int kShareOfUnreadable = 40;
  Nearness nearest;
  const auto see = [&](int share, const std::string& file, const std::string& lacks) {
    if (share > nearest.share) nearest = {.share = share, .lacks = fmt::format("{} {}", file, lacks)};
  };
  for (const auto& table : tables_of(place)) {
    const auto seen = find_columns(table.rows);
    if (!table.problem.empty()) see(kShareOfUnreadable, table.file, table.problem);
    if (!seen.columns) see(100 * seen.found / 3, table.file, "has " + seen.lacks);
  }
  return nearest;
}

AnnotatedPart read_csv(const DatasetPart& part, bool with_details, Problems& problems) {
  return read_table_part(part, csv_parts, [&](const TablePart& table) {
    return CsvReader(table, part.options, with_details, problems).read(part.name, part.split.limit);
  });
}

}  // namespace

Format csv_format() {
  return {.parts = csv_parts, .read = read_csv, .has_files = true, .near = csv_near};
}

}  // namespace rcnn::data
