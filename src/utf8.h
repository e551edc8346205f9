#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <rcnn/export.h>

namespace rcnn {

/// The code point that begins at `position`, which moves behind it; none where this is no UTF-8: shortest
/// forms, no surrogates, nothing beyond U+10FFFF.
RCNN_EXPORT std::optional<uint32_t> next_code_point(std::string_view text, size_t& position);

/// Whether all of it is UTF-8.
RCNN_EXPORT bool is_utf8(std::string_view text);

/// `code_point` is at most U+10FFFF.
RCNN_EXPORT void append_utf8(std::string& text, uint32_t code_point);

/// What Python's text.encode("latin1") gives for UTF-8; none where a character has no byte.
std::optional<std::string> encode_latin1(std::string_view utf8);

}  // namespace rcnn
