#pragma once

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <simdjson.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/formats/coco/json_fields.h"
#include "data/text_encoding.h"
#include "descriptor.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {

/// Throws DataError for a file whose first bytes are those of no JSON object or list, so that gigabytes of
/// something else are not read to find that out. Pipes are let through: what is read of them is gone.
inline void check_json_start(const std::filesystem::path& file) {
  std::error_code ignored;  // what is not there is for its reader to say
  if (!std::filesystem::is_regular_file(file, ignored)) return;
  constexpr size_t kLooked = 4096;
  const auto head = read_head(file, kLooked);
  if (const auto why = why_wide(head); !why.empty())
    throw DataError(fmt::format("{}: {}", file.string(), why));
  std::string_view text = head;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  text = trimmed(text);
  if (text.empty() || text[0] == '{' || text[0] == '[' || text[0] == '/')
    return;  // a config may begin with a comment
  throw DataError(fmt::format("{}: is no JSON: it begins with the byte 0x{:02x}, not with {{ or [",
                              file.string(), static_cast<unsigned char>(text[0])));
}

/// The bytes of a JSON file. Throws DataError when it cannot be read or begins like no JSON.
inline simdjson::padded_string load_json(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored))
    throw DataError(fmt::format("{}: is a folder; name the JSON file", file.string()));
  check_json_start(file);
  simdjson::padded_string bytes;
  if (const auto error = simdjson::padded_string::load(file.string()).get(bytes);
      error != simdjson::SUCCESS) {
    const Descriptor opened(file, O_NONBLOCK);  // which says why: there is no such file, its name is too long
    throw DataError(fmt::format(
        "{}: cannot be read: {}", file.string(),
        opened.is_open() ? simdjson::error_message(error) : std::generic_category().message(errno)));
  }
  return bytes;
}

/// The text of a JSON file without a byte order mark; a view of its bytes.
inline simdjson::padded_string_view json_view(const simdjson::padded_string& bytes) {
  const size_t mark =
      std::string_view(bytes.data(), bytes.size()).starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const size_t size = bytes.size() - mark;
  return simdjson::padded_string_view(bytes.data() + mark, size, size + simdjson::SIMDJSON_PADDING);
}

/// Where the parser stands, for people; nothing at the end of the text.
inline std::string line_of(json::document& document, std::string_view text) {
  const char* place = nullptr;
  if (document.current_location().get(place) != simdjson::SUCCESS) return "";
  return fmt::format("line {}: ", std::count(text.data(), place, '\n') + 1);
}

/// What read(document) makes of a JSON file. Throws DataError for a file that cannot be read, what is no
/// UTF-8 or no JSON, with the line, and what read() refuses.
template <class Read>
auto read_json(const std::filesystem::path& file, Read read) {
  const auto bytes = load_json(file);
  const auto text = json_view(bytes);
  json::parser parser;
  json::document document;
  if (const auto error = parser.iterate(text).get(document); error != simdjson::SUCCESS) {
    const auto encoding = error == simdjson::UTF8_ERROR ? why_no_utf8(text) : "";
    throw DataError(encoding.empty()
                        ? fmt::format("{}: is no JSON: {}", file.string(), simdjson::error_message(error))
                        : fmt::format("{}: {}", file.string(), encoding));
  }
  try {
    auto result = read(document);
    if (document.current_location().error() == simdjson::SUCCESS) {
      throw Wrong("something follows the end of the JSON text");
    }
    return result;
  } catch (const Wrong& wrong) {
    throw DataError(fmt::format("{}: {}{}", file.string(), wrong.what(), wrong.detail));
  } catch (const simdjson::simdjson_error& error) {
    throw DataError(fmt::format("{}: {}is no JSON or is cut short: {}", file.string(),
                                line_of(document, text), error.what()));
  }
}

}  // namespace rcnn::data
