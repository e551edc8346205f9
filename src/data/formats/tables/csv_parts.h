#pragma once

#include <any>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/formats/place.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "data/formats/image_index.h"
#include "data/formats/tables/csv_table.h"

namespace rcnn::data {

/// A table in text that lies in a place, and how it begins.
struct TableHead {
  std::string file;  ///< below the place; the place itself where it is a file: then its name
  std::vector<CsvRow> rows;
  std::string problem = {};  ///< why there is none: "is UTF-16; save it as UTF-8"
};

/// The tables of a place, .csv and .tsv, or the file that it is, of any ending. The heads of the first
/// hundred alone are looked at.
std::vector<TableHead> tables_of(const Place& place);

/// What the reader of a table wants to know of it, DatasetPart::split.own.
struct TablePart {
  std::filesystem::path file = {};
  std::string name = {};            ///< of the file, in messages
  std::filesystem::path root = {};  ///< the folder that `images` are of
  std::string from = {};            ///< the folder of the table, below it
  std::shared_ptr<const ImageIndex> images = {};
  std::vector<std::string> folders = {};      ///< below it, where images of this part may lie
  std::vector<std::string> other_parts = {};  ///< whose folders hold none of them
  std::filesystem::path classes = {};         ///< a table of the names of classes; empty without one
};

/// The parts that tables are. They are named after the files, without "labels" and "annotations"
/// (train_labels.csv: train), or after the folders where nothing is left (train/_annotations.csv); "all"
/// without either, and for a single one that is no training's, validation's or test's. `images_of` gives the
/// names of images at the head of a table, and `classes_of` the table of class names that belongs to it.
std::vector<DatasetPart> table_parts(
    const Place& place, const LocateOptions& options, const std::vector<TableHead>& tables,
    const std::function<std::set<std::string>(const TableHead& table)>& images_of,
    const std::function<std::filesystem::path(const TableHead& table)>& classes_of);

/// Reads a part with what it knows of its table, or what `parts` finds out where a config names the table's
/// file and the folder of its images. Throws DataError for a file that is no such table.
template <class Read>
AnnotatedPart read_table_part(
    const DatasetPart& part,
    const std::function<std::vector<DatasetPart>(const Place&, const LocateOptions&)>& parts, Read read) {
  if (part.split.own.has_value()) return read(std::any_cast<const TablePart&>(part.split.own));
  const auto found = parts(Place(part.split.annotations), {.images = part.split.images});
  if (found.empty())
    throw DataError(part.split.annotations.string() + ": is no table of boxes of the format " +
                    part.options.type);
  return read(std::any_cast<const TablePart&>(found.front().split.own));
}

}  // namespace rcnn::data
