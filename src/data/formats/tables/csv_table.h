#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor.h"

namespace rcnn::data {

/// The fields of a row of a table.
using CsvRow = std::vector<std::string>;
using CsvFields = std::vector<std::string_view>;

/// The rows of a table in text, as RFC 4180 has them and programs write them: fields between commas,
/// semicolons or tabs, told by the first line; in quotes where they hold one of these or a line feed, a quote
/// doubled; lines that end in LF, CRLF or CR. Space around a field is no part of it, unless it is in quotes.
///
/// The file is read in blocks: a table of any length takes the memory of its longest row.
class CsvTable {
 public:
  /// Throws DataError for a file that cannot be read, and for UTF-16.
  explicit CsvTable(const std::filesystem::path& file);

  /// Reads a text; `name` is what messages call it.
  CsvTable(std::string name, std::string text);

  /// Whether there is another row. Its fields are valid until the next. Rows of empty fields are passed over.
  /// Throws DataError, with the line, for a row of more than a million bytes, a quote that is not closed, and
  /// what is no UTF-8.
  bool next(CsvFields& fields);

  /// Where the last row begins, from 1.
  int64_t line() const { return row_line_; }

  /// The number that a field is, with a point, or with a comma where fields are parted by others. NaN for
  /// anything else, and for what is not finite.
  double number_of(std::string_view field) const;

 private:
  bool fill();
  void begin();
  size_t end_of_row();
  void split(char* row, size_t size, CsvFields& fields) const;
  void check_text(std::string_view row) const;
  [[noreturn]] void fail(int64_t line, const std::string& what) const;

  std::string name_;
  std::unique_ptr<Descriptor> file_;  // null at its end
  std::string buffer_;                // what is still to be read of it begins at begin_
  size_t begin_ = 0;
  int64_t line_ = 1, row_line_ = 1;
  char delimiter_ = ',';
};

/// The first rows of a table that begins so, at most `most`. Where `is_whole` is false, the last of them may
/// be cut off and is left out. None for what is no text.
std::vector<CsvRow> first_rows(const std::string& head, size_t most, bool is_whole);

/// A field as JSON: a number or a truth value as it stands, everything else a text.
std::string json_of_field(std::string_view field);

}  // namespace rcnn::data
