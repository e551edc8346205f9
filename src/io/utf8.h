#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rcnn::io {

/// Whether this is UTF-8: shortest forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);

/// `code_point` is at most U+10FFFF.
void append_utf8(std::string& text, uint32_t code_point);

/// What Python's text.encode("latin1") gives for UTF-8; none where a character has no byte.
std::optional<std::string> encode_latin1(std::string_view utf8);

/// What a file says about itself, fit for one line of a message: long ones cut, control characters replaced.
std::string printable(std::string_view text);

}  // namespace rcnn::io
