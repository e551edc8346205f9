#include "data/formats/tables/csv_columns.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include "data/images/image_ending.h"
#include "text.h"

namespace rcnn::data {
namespace {

using ColumnNames = std::string_view;  // parted by spaces

// What columns are called, in lower case without anything but letters and digits; what says most comes first.
constexpr ColumnNames kImageColumns =
    "filename imagename imagefilename imagepath imagefile filepath path file image imgname imgpath img "
    "imageid imgid";
constexpr ColumnNames kClassNames =
    "class classname label labelname category categoryname classid labelid categoryid";
constexpr ColumnNames kX = "xmin x1 bboxxmin bboxx1 left minx xtl",
                      kY = "ymin y1 bboxymin bboxy1 top miny ytl";
constexpr ColumnNames kX2 = "xmax x2 bboxxmax bboxx2 right maxx xbr",
                      kY2 = "ymax y2 bboxymax bboxy2 bottom maxy ybr";
constexpr ColumnNames kLeft = "bboxx x xmin x1 left", kTop = "bboxy y ymin y1 top";
constexpr ColumnNames kBoxWidth = "bboxwidth bboxw boxwidth boxw w",
                      kBoxHeight = "bboxheight bboxh boxheight boxh h";
constexpr ColumnNames kList = "bbox boundingbox box";
constexpr ColumnNames kImageWidth = "imagewidth imgwidth imagew imgw",
                      kImageHeight = "imageheight imgheight imageh imgh";

// What leaves no doubt: the columns of tools that are known.
constexpr std::array<std::array<std::string_view, 6>, 3> kKnown = {
    {{"filename", "class", "xmin", "ymin", "xmax", "ymax"},
     {"image", "label", "xmin", "ymin", "xmax", "ymax"},
     {"imagename", "labelname", "bboxx", "bboxy", "bboxwidth", "bboxheight"}}};

std::string plain_name(std::string_view name) {
  std::string plain = lower(std::string(name));
  std::erase_if(plain, [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9'); });
  return plain;
}

std::optional<size_t> column_of(const CsvRow& names, ColumnNames wanted) {
  while (!wanted.empty()) {
    const auto name = wanted.substr(0, wanted.find(' '));
    if (const auto found = std::ranges::find(names, name); found != names.end())
      return static_cast<size_t>(found - names.begin());
    wanted.remove_prefix(std::min(name.size() + 1, wanted.size()));
  }
  return std::nullopt;
}

bool is_number_text(std::string_view field) {
  return number<double>(field).has_value();
}

/// The four columns of a box, and those of the image's size that are left.
bool find_box(const CsvRow& names, CsvColumns& columns) {
  columns.width = column_of(names, kImageWidth);
  columns.height = column_of(names, kImageHeight);
  const auto take = [&](CsvColumns::Box kind, ColumnNames x, ColumnNames y, ColumnNames x2, ColumnNames y2) {
    const auto a = column_of(names, x), b = column_of(names, y), c = column_of(names, x2),
               d = column_of(names, y2);
    if (!a || !b || !c || !d) return false;
    columns.kind = kind;
    columns.box = {*a, *b, *c, *d};
    return true;
  };
  const auto size = [&] {
    if (!columns.width) columns.width = column_of(names, "width");
    if (!columns.height) columns.height = column_of(names, "height");
    return true;
  };
  using enum CsvColumns::Box;
  if (take(corners, "x0", "y0", "x1", "y1")) return size();
  if (take(corners, kX, kY, kX2, kY2)) return size();
  if (take(sides, kLeft, kTop, kBoxWidth, kBoxHeight)) return size();
  if (take(sides, kLeft, kTop, "width", "height")) return true;
  const auto list_column = column_of(names, kList);
  if (!list_column) return false;
  columns.kind = list;
  columns.box = {*list_column};
  return size();
}

SeenColumns find_by_header(const CsvRow& header) {
  CsvRow names;
  for (const auto& name : header) names.push_back(plain_name(name));
  SeenColumns seen;
  CsvColumns columns{.names = header, .has_header = true};
  std::vector<std::string> lacks;
  const auto image = column_of(names, kImageColumns), class_name = column_of(names, kClassNames);
  const bool has_box = find_box(names, columns);
  seen.found = int{image.has_value()} + int{class_name.has_value()} + int{has_box};
  if (!image) lacks.push_back("the image (filename, image, image_id, ...)");
  if (!class_name) lacks.push_back("the class (class, label, class_name, ...)");
  if (!has_box) lacks.push_back("the box (xmin, ymin, xmax, ymax; x, y, w, h; or bbox)");
  if (lacks.empty()) {
    columns.image = *image;
    columns.class_name = *class_name;
    columns.is_known = std::ranges::any_of(kKnown, [&](const auto& known) {
      return std::ranges::all_of(
          known, [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); });
    });
    seen.columns = std::move(columns);
  } else {
    seen.lacks = fmt::format("no column for {}; its columns are {}", fmt::join(lacks, " and for "),
                             fmt::join(header, ", "));
  }
  return seen;
}

/// A table without a header, whose columns are told by what is in them.
struct Headless {
  size_t image, class_name;
  std::array<size_t, 4> box;
  CsvColumns::Box kind;
  std::vector<std::string> names;
};

const std::vector<Headless>& headless_tables() {
  using enum CsvColumns::Box;
  static const std::vector<Headless> tables = {
      {0, 5, {1, 2, 3, 4}, corners, {"image", "x1", "y1", "x2", "y2", "class_name"}},
      {0,
       5,
       {1, 2, 3, 4},
       corners,
       {"image_name", "x1", "y1", "x2", "y2", "class", "image_width", "image_height"}},
      {5,
       0,
       {1, 2, 3, 4},
       sides,
       {"label_name", "bbox_x", "bbox_y", "bbox_width", "bbox_height", "image_name", "image_width",
        "image_height"}}};
  return tables;
}

bool is_row_of(const Headless& table, const CsvRow& row) {
  if (row.size() != table.names.size() || !has_image_ending(row[table.image])) return false;
  const auto is_empty = [&](size_t column) { return row[column].empty(); };
  const bool is_without_object = is_empty(table.class_name) && std::ranges::all_of(table.box, is_empty);
  if (row.size() == 8 && !(is_number_text(row[6]) && is_number_text(row[7])) &&
      !(is_without_object && is_empty(6)))
    return false;
  return is_without_object ||
         (!is_empty(table.class_name) &&
          std::ranges::all_of(table.box, [&](size_t column) { return is_number_text(row[column]); }));
}

}  // namespace

bool CsvColumns::holds(size_t column) const {
  const auto of_box = kind == Box::list ? 1 : std::ssize(box);
  return column == image || column == class_name || column == width || column == height ||
         std::find(box.begin(), box.begin() + of_box, column) != box.begin() + of_box;
}

bool CsvColumns::has_scores() const {
  return std::ranges::any_of(names, [](const std::string& name) { return plain_name(name) == "score"; });
}

std::string CsvColumns::text() const {
  std::string of_box = names[box[0]];
  for (size_t i = 1; kind != Box::list && i < box.size(); ++i) of_box += ", " + names[box[i]];
  constexpr std::array kKinds = {"the corners", "x and y of the upper left corner, width and height",
                                 "[x and y of the upper left corner, width, height]"};
  return fmt::format("image = {}, class = {}, box = {}: {}", names[image], names[class_name], of_box,
                     kKinds[static_cast<size_t>(kind)]);
}

SeenColumns find_columns(const std::vector<CsvRow>& first_rows) {
  if (first_rows.empty()) return {};
  const auto& header = first_rows.front();
  SeenColumns seen;
  if (std::ranges::none_of(header, is_number_text)) seen = find_by_header(header);
  if (seen.columns) return seen;
  for (const auto& table : headless_tables()) {
    const auto count =
        std::ranges::count_if(first_rows, [&](const CsvRow& row) { return is_row_of(table, row); });
    if (2 * count <= std::ssize(first_rows)) continue;  // some may be wrong, which the reader says
    CsvColumns columns{.image = table.image,
                       .class_name = table.class_name,
                       .kind = table.kind,
                       .box = table.box,
                       .names = table.names,
                       .is_known = true};
    if (table.names.size() == 8) {
      columns.width = 6;
      columns.height = 7;
    }
    return {.columns = std::move(columns), .found = 3};
  }
  return seen;
}

}  // namespace rcnn::data
