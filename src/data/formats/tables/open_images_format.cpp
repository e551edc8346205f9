#include "data/formats/tables/open_images_format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/found_images.h"
#include "data/formats/part_builder.h"
#include "data/formats/tables/csv_images.h"
#include "data/formats/tables/csv_table.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// Where the columns are, of which the first six are in every table.
struct OpenImagesColumns {
  enum Column {
    image,
    label,
    x_min,
    x_max,
    y_min,
    y_max,
    source,
    confidence,
    occluded,
    truncated,
    group,
    depiction,
    inside
  };
  static constexpr std::array<std::string_view, 13> kNames = {
      "ImageID",    "LabelName",  "XMin",        "XMax",      "YMin",        "YMax",    "Source",
      "Confidence", "IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside"};
  static constexpr size_t kRequired = 6;

  explicit OpenImagesColumns(std::span<const std::string> header) : count(header.size()) {
    for (size_t i = 0; i < kNames.size(); ++i) {
      const auto found = std::ranges::find_if(
          header, [&](const std::string& name) { return lower(name) == lower(std::string(kNames[i])); });
      if (found != header.end()) at[i] = static_cast<size_t>(found - header.begin());
    }
  }
  bool is_complete() const {
    return std::all_of(at.begin(), at.begin() + kRequired,
                       [](const auto& column) { return column.has_value(); });
  }

  std::array<std::optional<size_t>, kNames.size()> at = {};
  size_t count = 0;
};

/// The names of classes by their ids.
std::map<std::string, std::string, std::less<>> read_class_names(const fs::path& file) {
  std::map<std::string, std::string, std::less<>> names;
  CsvTable table(file);
  CsvFields fields;
  while (table.next(fields)) {
    if (fields.size() >= 2 && !fields[0].empty() && !fields[1].empty())
      names.try_emplace(std::string(fields[0]), fields[1]);
  }
  std::map<std::string_view, int> count;
  for (const auto& [id, name] : names) ++count[name];
  std::vector<std::string> shared;  // ids whose name another has, too
  for (const auto& [id, name] : names) {
    if (count[name] > 1) shared.push_back(id);
  }
  for (const auto& id : shared) names[id] += fmt::format(" ({})", id);
  return names;
}

/// Reads the rows of one table into a part.
class OpenImagesReader {
 public:
  OpenImagesReader(const TablePart& part, const DataOptions& options, bool with_details, Problems& problems)
      : part_(part), options_(options), with_details_(with_details), problems_(problems), table_(part.file) {
    table_.next(fields_);
    columns_ = OpenImagesColumns(CsvRow(fields_.begin(), fields_.end()));
    if (!columns_.is_complete())
      throw DataError(fmt::format("{}: is no table of Open Images' boxes", part.file.string()));
    if (!part.classes.empty()) class_names_ = read_class_names(part.classes);
  }

  AnnotatedPart read(const std::string& name, int64_t limit) {
    PartBuilder builder(name, part_.root, with_details_);
    TableImages images(part_, limit, builder);
    while (table_.next(fields_)) add_row(images, builder);
    auto part = builder.take();
    settle_images(part);
    images.tell_unnamed(problems_);
    say_what_is_left_out(images, part);
    scale_by_sides(part, options_.max_megapixels);
    part.place = [file = part_.name](const CocoImage&, const CocoAnnotation& annotation) {
      return fmt::format("{} line {}", file, annotation.position);
    };
    return part;
  }

 private:
  using Column = OpenImagesColumns::Column;

  std::string where() const { return fmt::format("{} line {}", part_.name, table_.line()); }
  std::string_view field(Column column) const {
    return columns_.at[column] ? fields_[*columns_.at[column]] : std::string_view();
  }

  void add_row(TableImages& images, PartBuilder& builder) {
    while (fields_.size() > columns_.count && fields_.back().empty()) fields_.pop_back();
    if (fields_.size() != columns_.count) {
      problems_.bad(options_.bad_boxes, "bad_boxes",
                    "a row with more or fewer fields than the table has columns",
                    fmt::format("{} ({} fields, not {})", where(), fields_.size(), columns_.count));
      return;
    }
    if (field(Column::image).empty()) {
      problems_.error("a row without the id of an image", where());
      return;
    }
    const auto image = images.of(field(Column::image), table_.line());
    if (!image) return;
    // Zero is what people said is not there.
    if (const auto confidence = field(Column::confidence);
        !confidence.empty() && table_.number_of(confidence) == 0) {
      ++negative_rows_;
      return;
    }
    if (field(Column::label).empty()) {
      problems_.error("an object without a class", where());
      return;
    }
    const auto box = box_of_row();
    if (!box) return;
    const auto group = flag(Column::group);
    if (group == Flag::none) {
      problems_.bad(options_.bad_boxes, "bad_boxes", "IsGroupOf is none of 0, 1 and -1",
                    fmt::format("{} ({})", where(), field(Column::group)));
      return;
    }
    auto& object = builder.add_object(*image, class_name(field(Column::label)), *box,
                                      static_cast<int32_t>(table_.line()));
    object.crowd = group == Flag::yes;
    if (with_details_) add_attributes(builder.details());
  }

  /// In shares of the sides; boxes that end a little beyond them are clipped later.
  std::optional<std::array<double, 4>> box_of_row() {
    constexpr double kBeyond = 0.01;
    std::array<double, 4> corners = {};
    for (size_t i = 0; i < corners.size(); ++i) {
      const auto text = field(static_cast<Column>(Column::x_min + i));
      corners[i] = table_.number_of(text);
      if (std::isnan(corners[i]) || corners[i] < -kBeyond || corners[i] > 1 + kBeyond) {
        problems_.bad(options_.bad_boxes, "bad_boxes",
                      "a corner that is no share of the image's side, 0 to 1",
                      fmt::format("{} ({} {})", where(), OpenImagesColumns::kNames[Column::x_min + i], text));
        return std::nullopt;
      }
    }
    const auto& [x1, x2, y1, y2] = corners;
    return std::array{x1, y1, x2 - x1, y2 - y1};
  }

  /// Unknown is -1, and what the table does not say.
  enum class Flag { no, yes, unknown, none };
  Flag flag(Column column) const {
    const auto text = lower(std::string(field(column)));
    const double value = table_.number_of(text);
    if (value == 0 || text == "false") return Flag::no;
    if (value == 1 || text == "true") return Flag::yes;
    return value == -1 || text.empty() ? Flag::unknown : Flag::none;
  }

  const std::string& class_name(std::string_view id) {
    const auto found = class_names_.find(id);
    if (found != class_names_.end()) return found->second;
    nameless_.emplace(id);
    return *nameless_.find(id);
  }

  void add_attributes(CocoDetails& details) {
    for (const auto column :
         {Column::occluded, Column::truncated, Column::group, Column::depiction, Column::inside}) {
      const auto value = flag(column);
      if (value == Flag::none) {
        problems_.bad(options_.bad_values, "bad_values", "a flag that is none of 0, 1 and -1",
                      fmt::format("{} ({} {})", where(), OpenImagesColumns::kNames[column], field(column)));
      } else if (value != Flag::unknown) {
        details.attributes.emplace_back(OpenImagesColumns::kNames[column],
                                        value == Flag::yes ? "true" : "false");
      }
    }
    for (const auto column : {Column::source, Column::confidence}) {
      if (const auto text = field(column); !text.empty())
        details.attributes.emplace_back(OpenImagesColumns::kNames[column], json_of_field(text));
    }
  }

  void say_what_is_left_out(const TableImages& images, const AnnotatedPart& part) {
    if (negative_rows_ > 0)
      problems_.warn("rows of Confidence 0, which say what is not there, are left out",
                     fmt::format("{} ({} rows)", part_.name, negative_rows_));
    if (!images.absent().empty()) {
      const auto& first = images.absent().front();
      const auto what = fmt::format("{} ({} rows of {} images; {} in line {})", part_.name,
                                    images.rows_of_absent(), images.absent().size(), first.name, first.line);
      // People have a part of the millions of images; without any, it is the folder that is wrong.
      if (part.content.images.empty()) {
        problems_.bad(options_.bad_images, "bad_images", "none of a table's images is there", what);
      } else {
        problems_.warn("rows of images that are not there are left out", what);
      }
    }
    const auto is_id = [](const std::string& name) {
      return name.starts_with("/m/") || name.starts_with("/g/") || name.starts_with("/t/");
    };
    for (const auto& name : nameless_) {
      if (!part_.classes.empty()) {
        problems_.warn(fmt::format("a class whose name is not in {}", part_.classes.filename().string()),
                       name);
      } else if (is_id(name)) {
        problems_.warn("ids stand for the names of classes, for class-descriptions-boxable.csv is not there",
                       name);
      }
    }
  }

  const TablePart& part_;
  const DataOptions& options_;
  bool with_details_;
  Problems& problems_;
  CsvTable table_;
  OpenImagesColumns columns_ = OpenImagesColumns({});
  CsvFields fields_ = {};
  std::map<std::string, std::string, std::less<>> class_names_ = {};
  std::set<std::string, std::less<>> nameless_ = {};  // ids, or names that stand for themselves
  int64_t negative_rows_ = 0;
};

/// Whether a file is called like Open Images' lists of classes, or FiftyOne's.
bool is_class_list(const fs::path& file) {
  const auto name = lower(file.filename().string());
  return name.find("class-descriptions") != std::string::npos || name == "classes.csv" ||
         name == "class_descriptions.csv";
}

/// The nearest list of classes: that of the boxes before that of all labels.
fs::path class_list_of(const Place& place, const std::vector<TableHead>& tables, const TableHead& table) {
  std::vector<fs::path> lists;
  if (place.is_folder()) {
    for (const auto& other : tables) {
      if (is_class_list(other.file)) lists.push_back(other.file);
    }
  } else {
    const auto folder = place.path().has_parent_path() ? place.path().parent_path() : fs::path(".");
    for (const auto& beside : {folder, folder / "../metadata"}) {
      std::error_code ignored;  // a folder that is not there holds no list
      for (const auto& entry : fs::directory_iterator(beside, ignored)) {
        if (entry.path().extension() == ".csv" && is_class_list(entry.path())) lists.push_back(entry.path());
      }
    }
    std::ranges::sort(lists);
  }
  const auto rank = [&](const fs::path& list) {
    const bool is_boxable = lower(list.filename().string()).find("boxable") != std::string::npos;
    const bool is_beside =
        list.parent_path().parent_path() == fs::path(table.file).parent_path().parent_path();
    return std::pair(!is_beside, !is_boxable);
  };
  const auto best = std::ranges::min_element(lists, {}, rank);
  return best == lists.end() ? fs::path() : place.is_folder() ? place.path() / *best : *best;
}

std::vector<DatasetPart> open_images_parts(const Place& place, const LocateOptions& options) {
  const auto tables = tables_of(place);
  auto of_boxes = tables;
  std::erase_if(of_boxes, [](const TableHead& table) { return !is_open_images(table); });
  return table_parts(
      place, options, of_boxes,
      [](const TableHead& table) {
        const auto column = *OpenImagesColumns(table.rows.front()).at[OpenImagesColumns::image];
        std::set<std::string> images;
        for (size_t i = 1; i < table.rows.size(); ++i) {
          if (column < table.rows[i].size()) images.insert(table.rows[i][column]);
        }
        return images;
      },
      [&](const TableHead& table) { return class_list_of(place, tables, table); });
}

Nearness open_images_near(const Place& place) {
  for (const auto& table : tables_of(place)) {
    if (is_class_list(table.file) && !table.rows.empty() && table.rows.back().front().starts_with("/m/")) {
      return {.share = 50,
              .lacks = fmt::format("no table of boxes (train-annotations-bbox.csv) beside {}", table.file)};
    }
  }
  return {};
}

AnnotatedPart read_open_images(const DatasetPart& part, bool with_details, Problems& problems) {
  return read_table_part(part, open_images_parts, [&](const TablePart& table) {
    return OpenImagesReader(table, part.options, with_details, problems).read(part.name, part.split.limit);
  });
}

}  // namespace

bool is_open_images(const TableHead& table) {
  return !table.rows.empty() && OpenImagesColumns(table.rows.front()).is_complete();
}

Format open_images_format() {
  return {.parts = open_images_parts, .read = read_open_images, .has_files = true, .near = open_images_near};
}

}  // namespace rcnn::data
