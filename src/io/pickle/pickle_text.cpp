#include "io/pickle/pickle_text.h"

#include <charconv>
#include <system_error>

#include "io/refusal.h"
#include "text.h"
#include "utf8.h"

namespace rcnn::io::pickle {
namespace {

[[noreturn]] void malformed() {
  throw Refusal("its pickle is damaged: a text in it is malformed");
}

/// The number of `count` hexadecimal digits from `begin` on.
uint32_t hexadecimal(std::string_view text, size_t begin, size_t count) {
  if (text.size() < begin || text.size() - begin < count) malformed();
  uint32_t value = 0;
  const char* const end = text.data() + begin + count;
  const auto [stopped, error] = std::from_chars(text.data() + begin, end, value, 16);
  if (error != std::errc() || stopped != end) malformed();
  return value;
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text) {
  if (text.ends_with('L')) text.remove_suffix(1);
  int64_t value = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return std::nullopt;
  if (error != std::errc() || stopped != text.data() + text.size()) malformed();
  return value;
}

double parse_double(std::string_view text) {
  const auto value = number<double>(text);
  if (!value) malformed();
  return *value;
}

std::string unescape_string(std::string_view text) {
  const char quote = text.empty() ? '\0' : text.front();
  if (text.size() < 2 || (quote != '\'' && quote != '"') || text.back() != quote) malformed();
  text = text.substr(1, text.size() - 2);
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      result += text[i];
      continue;
    }
    if (++i == text.size()) malformed();
    constexpr std::string_view kEscaped = "nrt\\'\"", kMeant = "\n\r\t\\'\"";  // repr() writes no others
    if (text[i] == 'x') {
      result += static_cast<char>(hexadecimal(text, i + 1, 2));
      i += 2;
    } else if (const size_t place = kEscaped.find(text[i]); place != kEscaped.npos) {
      result += kMeant[place];
    } else {
      malformed();
    }
  }
  return result;
}

std::string unescape_unicode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char kind = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (kind != 'u' && kind != 'U') {
      append_utf8(result, static_cast<uint8_t>(text[i]));
      continue;
    }
    const size_t digits = kind == 'u' ? 4 : 8;
    const uint32_t code_point = hexadecimal(text, i + 2, digits);
    if (code_point > 0x10ffff) malformed();
    append_utf8(result, code_point);
    i += 1 + digits;
  }
  return result;
}

}  // namespace rcnn::io::pickle
