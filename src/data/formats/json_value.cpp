#include "data/formats/json_value.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace rcnn::data {
namespace {

/// Puts quotes around Python's NaN, Infinity and -Infinity.
std::string with_quoted_words(std::string_view text) {
  constexpr std::array<std::string_view, 3> kWords = {"NaN", "Infinity", "-Infinity"};
  std::string quoted;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') in_text = !in_text;
    if (in_text && text[i] == '\\' && i + 1 < text.size()) quoted += text[i++];
    const auto word = std::ranges::find_if(
        kWords, [&](std::string_view w) { return !in_text && text.substr(i).starts_with(w); });
    if (word == kWords.end()) {
      quoted += text[i];
    } else {
      quoted.append(1, '"').append(*word).append(1, '"');
      i += word->size() - 1;
    }
  }
  return quoted;
}

}  // namespace

Json parse_annotations(std::string text) {
  try {
    return parse_json<Json>(text, {});
  } catch (const JsonSyntaxError&) {
    const auto quoted = with_quoted_words(text);
    if (quoted.size() == text.size()) throw;
    return parse_json<Json>(quoted, {});
  }
}

std::vector<std::string_view> keys_at(std::string_view text, size_t depth) {
  std::vector<std::string_view> keys;
  std::string open;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '{' || c == '[') open += c;
    if (c == '}' || c == ']') {
      if (open.size() <= 1) break;
      open.pop_back();
    }
    if (c != '"') continue;
    const size_t begin = ++i;
    while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
    if (i >= text.size()) break;
    const auto key = text.substr(begin, i - begin);
    const size_t next = text.find_first_not_of(" \t\r\n", i + 1);
    if (next == std::string_view::npos) break;
    if (text[next] == ':' && open.size() == depth && open.back() == '{') keys.push_back(key);
  }
  return keys;
}

std::string shown(const Json& value) {
  constexpr size_t kMost = 80;
  auto text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMost) {
    size_t end = kMost;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // inside of a character
    text = text.substr(0, end) + "...";
  }
  return text;
}

const Json& value_at(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

}  // namespace rcnn::data
