#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include <simdjson.h>

#include "data/text_encoding.h"

namespace rcnn::data {

/// Where the last comma of `text` stands that parts two objects, as far as its neighbours tell: the parser
/// tells for certain.
inline std::optional<size_t> last_comma_between_objects(std::string_view text) {
  constexpr const char* kSpaces = " \t\r\n";
  for (size_t end = text.size();;) {
    const size_t begin = text.substr(0, end).rfind('{');
    if (begin == std::string_view::npos || begin == 0) return std::nullopt;
    const size_t comma = text.find_last_not_of(kSpaces, begin - 1);
    if (comma != std::string_view::npos && comma > 0 && text[comma] == ',') {
      const size_t brace = text.find_last_not_of(kSpaces, comma - 1);
      if (brace != std::string_view::npos && text[brace] == '}') return comma;
    }
    end = begin;
  }
}

/// Calls read(object) for each object of the list that a JSON file is, a window of the file at a time, so
/// that the memory for its text is that of a window. Returns false for what is not such a list from beginning
/// to end or cannot be read, and where the text does not show where to part it; then what was read counts for
/// nothing, and the text has to be read as a whole. What read() throws comes through, simdjson's errors
/// excepted.
///
/// A window is parsed as the list of the objects that are whole in it, with brackets in the place of the
/// commas around them. A comma that is none of the list's own gives no list: the bracket would stand in a
/// string, which never ends then, or in a list below, and leave the outer one open.
template <class Read>
bool read_in_windows(const std::filesystem::path& file, size_t window, Read read) {
  namespace json = simdjson::ondemand;
  std::ifstream bytes(file, std::ios::binary);
  std::string text(window + simdjson::SIMDJSON_PADDING, ' ');
  bytes.read(text.data(), kByteOrderMark.size());
  auto filled = static_cast<size_t>(bytes.gcount());
  if (std::string_view(text).starts_with(kByteOrderMark)) filled = 0;
  json::parser parser;
  try {
    for (;;) {
      const size_t room = text.size() - simdjson::SIMDJSON_PADDING;
      bytes.read(text.data() + filled, static_cast<std::streamsize>(room - filled));
      filled += static_cast<size_t>(bytes.gcount());
      if (bytes.bad() || filled == 0) return false;
      const bool at_end = filled < room;
      std::optional<size_t> comma;
      if (!at_end) {
        comma = last_comma_between_objects({text.data(), filled});
        if (!comma) {
          text.resize(2 * text.size());
          continue;
        }
        text[*comma] = ']';
      }
      json::document document;
      json::array list;
      if (parser.iterate(text.data(), comma ? *comma + 1 : filled, text.size()).get(document)) return false;
      if (document.get_array().get(list)) return false;
      for (auto entry : list) read(entry.get_object().value());
      if (document.current_location().error() == simdjson::SUCCESS) return false;  // something follows
      if (at_end) return true;
      text[*comma] = '[';
      filled -= *comma;
      std::memmove(text.data(), text.data() + *comma, filled);
    }
  } catch (const simdjson::simdjson_error&) {
    return false;
  }
}

}  // namespace rcnn::data
