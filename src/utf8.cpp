#include "utf8.h"

namespace rcnn {

std::optional<uint32_t> next_code_point(std::string_view text, size_t& position) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(position++);
  if (first < 0x80) return first;
  const size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4 || text.size() - position < more) return std::nullopt;
  uint32_t code_point = first & (0x3f >> more);
  for (size_t i = 0; i < more; ++i, ++position) {
    if ((byte(position) & 0xc0) != 0x80) return std::nullopt;
    code_point = code_point << 6 | (byte(position) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
  if (code_point < kSmallest[more] || surrogate || code_point > 0x10ffff) return std::nullopt;
  return code_point;
}

void append_utf8(std::string& text, uint32_t code_point) {
  constexpr uint32_t kFirst[] = {0, 0xc0, 0xe0, 0xf0};
  const int more = code_point < 0x80 ? 0 : code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  text += static_cast<char>(kFirst[more] | code_point >> (6 * more));
  for (int i = more - 1; i >= 0; --i) text += static_cast<char>(0x80 | ((code_point >> (6 * i)) & 0x3f));
}

std::optional<std::string> encode_latin1(std::string_view utf8) {
  std::string bytes;
  bytes.reserve(utf8.size());
  for (size_t position = 0; position < utf8.size();) {
    const auto code_point = next_code_point(utf8, position);
    if (!code_point || *code_point > 0xff) return std::nullopt;
    bytes += static_cast<char>(*code_point);
  }
  return bytes;
}

bool is_utf8(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    if (!next_code_point(text, position)) return false;
  }
  return true;
}

}  // namespace rcnn
