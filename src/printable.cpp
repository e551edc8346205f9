#include <cstdint>

#include <rcnn/printable.h>

#include "utf8.h"

namespace rcnn {
namespace {

/// Controls (C0, delete, C1), marks of direction, and the separators of lines and paragraphs.
bool is_harmless(uint32_t code_point) {
  if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0)) return false;
  if (code_point == 0x200e || code_point == 0x200f) return false;
  if (code_point >= 0x2028 && code_point <= 0x202e) return false;
  return code_point < 0x2066 || code_point > 0x2069;
}

void escape(std::string& result, char kind, uint32_t value, int digits) {
  result += '\\';
  result += kind;
  while (digits-- > 0) result += "0123456789abcdef"[value >> (4 * digits) & 0xf];
}

std::string escaped(std::string_view text, bool newlines_stay) {
  std::string result;
  result.reserve(text.size());
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    const auto code_point = next_code_point(text, end);
    if (!code_point) {
      end = begin + 1;
      escape(result, 'x', static_cast<uint8_t>(text[begin]), 2);
    } else if (is_harmless(*code_point) || (newlines_stay && *code_point == '\n')) {
      result += text.substr(begin, end - begin);
    } else if (*code_point == '\n') {
      result += "\\n";
    } else if (*code_point == '\t') {
      result += "\\t";
    } else if (*code_point == '\r') {
      result += "\\r";
    } else if (*code_point < 0x100) {
      escape(result, 'x', *code_point, 2);
    } else {
      escape(result, 'u', *code_point, 4);
    }
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, /*newlines_stay=*/false);
}

std::string printable_lines(std::string_view text) {
  return escaped(text, /*newlines_stay=*/true);
}

}  // namespace rcnn
