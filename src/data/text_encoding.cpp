#include "data/text_encoding.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "utf8.h"

namespace rcnn::data {
namespace {

constexpr const char* kAdvice = "save it as UTF-8";

}  // namespace

std::string without_byte_order_mark(std::string text) {
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

std::string why_wide(std::string_view text) {
  using std::string_view_literals::operator""sv;
  // Without a mark: the first character is one byte and zeros, in either order.
  const auto zero = [&](size_t i) { return i < text.size() && text[i] == '\0'; };
  const auto letter = [&](size_t i) { return i < text.size() && text[i] != '\0'; };
  const char* encoding = nullptr;
  if (text.starts_with("\xff\xfe\0\0"sv) || text.starts_with("\0\0\xfe\xff"sv) ||
      (letter(0) && zero(1) && zero(2) && zero(3)) || (zero(0) && zero(1) && zero(2) && letter(3))) {
    encoding = "UTF-32";
  } else if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") || (letter(0) && zero(1)) ||
             (zero(0) && letter(1))) {
    encoding = "UTF-16";
  }
  return encoding == nullptr ? "" : fmt::format("is {}; {}", encoding, kAdvice);
}

std::string why_no_utf8(std::string_view text) {
  if (auto why = why_wide(text); !why.empty()) return why;
  if (text.substr(0, 256).find('\0') != std::string_view::npos)
    return fmt::format("is UTF-16, or no text; {}", kAdvice);
  for (size_t position = 0; position < text.size();) {
    if (static_cast<unsigned char>(text[position]) < 0x80) {  // most of a file, and much faster so
      ++position;
      continue;
    }
    const size_t begin = position;
    if (next_code_point(text, position)) continue;
    const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin), '\n') + 1;
    return fmt::format("line {} is no UTF-8: it has the byte 0x{:02x}; {}", line,
                       static_cast<unsigned char>(text[begin]), kAdvice);
  }
  return "";
}

}  // namespace rcnn::data
