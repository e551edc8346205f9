#include "data/formats/tables/csv_table.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/error.h>

#include "data/paths.h"
#include "text.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

constexpr size_t kBlockOfTable = 1 << 20;
constexpr size_t kLongestRow = 1'000'000;

bool is_space_or_tab(char c) {
  return c == ' ' || c == '\t';
}

bool is_ascii(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + i, 8);
    if ((bytes & 0x8080808080808080u) != 0) return false;
  }
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

CsvTable::CsvTable(const std::filesystem::path& file)
    : name_(file.string()), file_(std::make_unique<Descriptor>(file)) {
  if (!file_->is_open())
    throw DataError(fmt::format("{}: cannot be read: {}", name_, std::generic_category().message(errno)));
  begin();
}

CsvTable::CsvTable(std::string name, std::string text) : name_(std::move(name)), buffer_(std::move(text)) {
  begin();
}

void CsvTable::begin() {
  fill();
  const std::string_view text = buffer_;
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
      text.substr(0, 256).find('\0') != std::string_view::npos)
    throw DataError(fmt::format("{}: {}", name_, why_no_utf8(text)));
  if (text.starts_with("\xef\xbb\xbf")) begin_ = 3;
  // The delimiter is what stands most often in the first line, outside of quotes.
  const auto line =
      trimmed(text.substr(begin_, text.find_first_of("\r\n", text.find_first_not_of("\r\n")) - begin_));
  constexpr std::string_view kDelimiters = ",;\t";
  std::array<size_t, kDelimiters.size()> counts = {};
  bool is_quoted = false;
  for (const char c : line) {
    is_quoted ^= c == '"';
    if (const size_t which = kDelimiters.find(c); !is_quoted && which != std::string_view::npos)
      ++counts[which];
  }
  delimiter_ = kDelimiters[static_cast<size_t>(std::ranges::max_element(counts) - counts.begin())];
}

bool CsvTable::fill() {
  if (!file_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t size = buffer_.size();
  buffer_.resize(size + kBlockOfTable);
  ssize_t count = 0;
  do {
    count = ::read(file_->number(), buffer_.data() + size, kBlockOfTable);
  } while (count < 0 && errno == EINTR);
  if (count < 0)
    throw DataError(fmt::format("{}: cannot be read: {}", name_, std::generic_category().message(errno)));
  buffer_.resize(size + static_cast<size_t>(count));
  if (count == 0) file_.reset();
  return count > 0;
}

/// How many bytes the next row has, its end included.
size_t CsvTable::end_of_row() {
  enum class At { start, plain, quoted, behind_quote } at = At::start;
  const char* row = buffer_.data() + begin_;
  size_t size = buffer_.size() - begin_;
  const auto fill_more = [&] {
    const bool is_more = fill();
    row = buffer_.data() + begin_;
    size = buffer_.size() - begin_;
    return is_more;
  };
  for (size_t i = 0;; ++i) {
    if (i == size) {
      if (i > kLongestRow) fail(line_, "a row of more than a million bytes; a quote may not be closed");
      if (!fill_more()) {
        if (at == At::quoted) fail(line_, "a quote is not closed");
        return i;
      }
    }
    const char c = row[i];
    if (at == At::quoted) {
      if (c == '"') at = At::behind_quote;
    } else if (c == '\n') {
      return i + 1;
    } else if (c == '\r') {
      if (i + 1 == size) fill_more();
      return i + 1 < size && row[i + 1] == '\n' ? i + 2 : i + 1;
    } else if (c == delimiter_) {
      at = At::start;
    } else if (at != At::plain) {
      // A quote opens a field, with space before it, or it is the second of a doubled one.
      if (c == '"') {
        at = At::quoted;
      } else if (at == At::behind_quote || !is_space_or_tab(c)) {
        at = At::plain;
      }
    }
  }
}

void CsvTable::split(char* row, size_t size, CsvFields& fields) const {
  fields.clear();
  const char* const end = row + size;
  for (char* from = row;;) {
    while (from != end && is_space_or_tab(*from) && *from != delimiter_) ++from;
    if (from == end || *from != '"') {
      auto* to = static_cast<char*>(std::memchr(from, delimiter_, static_cast<size_t>(end - from)));
      const char* const stop = to == nullptr ? end : to;
      const char* last = stop;
      while (last != from && is_space_or_tab(last[-1])) --last;
      fields.emplace_back(from, static_cast<size_t>(last - from));
      if (to == nullptr) return;
      from = to + 1;
      continue;
    }
    // Quotes are taken out where the field stands; what follows the last of them up to the delimiter stays.
    char* to = from;
    const char* const begin = from;
    ++from;
    for (bool is_quoted = true; from != end && (is_quoted || *from != delimiter_); ++from) {
      if (is_quoted && *from == '"') {
        if (from + 1 == end || from[1] != '"') {
          is_quoted = false;
          continue;
        }
        ++from;
      } else if (!is_quoted && is_space_or_tab(*from)) {
        continue;
      }
      *to++ = *from;
    }
    fields.emplace_back(begin, static_cast<size_t>(to - begin));
    if (from == end) return;
    ++from;
  }
}

void CsvTable::check_text(std::string_view row) const {
  if (is_ascii(row) || is_utf8(row)) return;
  const auto byte = std::ranges::find_if(row, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  fail(row_line_, fmt::format("is no UTF-8: it has the byte 0x{:02x}; save the table as UTF-8",
                              static_cast<unsigned char>(*byte)));
}

bool CsvTable::next(CsvFields& fields) {
  for (;;) {
    if (begin_ == buffer_.size() && !fill()) return false;
    const size_t size = end_of_row();
    char* const row = buffer_.data() + begin_;
    begin_ += size;
    row_line_ = line_;
    std::string_view text(row, size);
    line_ += std::max<int64_t>(std::count(text.begin(), text.end(), '\n'), 1);
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    check_text(text);
    split(row, text.size(), fields);
    if (!std::ranges::all_of(fields, &std::string_view::empty)) return true;
  }
}

double CsvTable::number_of(std::string_view field) const {
  auto value = number<double>(field);
  if (const size_t comma = field.find(','); !value && delimiter_ != ',' && comma != std::string_view::npos) {
    std::string with_point(field);
    with_point[comma] = '.';
    value = number<double>(with_point);
  }
  return value && std::isfinite(*value) ? *value : std::numeric_limits<double>::quiet_NaN();
}

void CsvTable::fail(int64_t line, const std::string& what) const {
  throw DataError(fmt::format("{} line {}: {}", name_, line, what));
}

std::vector<CsvRow> first_rows(const std::string& head, size_t most, bool is_whole) {
  std::vector<CsvRow> rows;
  try {
    CsvTable table("", head);
    CsvFields fields;
    while (rows.size() <= most && table.next(fields)) rows.emplace_back(fields.begin(), fields.end());
  } catch (const DataError&) {  // a quoted field that is cut off, or no text: its reader says so
    return rows;
  }
  if ((!is_whole || rows.size() > most) && !rows.empty()) rows.pop_back();
  return rows;
}

std::string json_of_field(std::string_view field) {
  const auto value = nlohmann::json::parse(field, nullptr, false);
  if (value.is_number() || value.is_boolean()) return std::string(field);
  return nlohmann::json(field).dump();
}

}  // namespace rcnn::data
