#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rcnn::io::pickle {

// The texts of protocol 0. They throw Refusal for what Python would not have written.

/// "-12" or "12L"; none for what does not fit.
std::optional<int64_t> parse_integer(std::string_view text);

double parse_double(std::string_view text);

/// A Python 2 literal in quotes, 'a\n\x00', as the bytes that it means.
std::string unescape_string(std::string_view text);

/// Latin-1 with \u0000 and \U00000000 (raw-unicode-escape), as UTF-8.
std::string unescape_unicode(std::string_view text);

}  // namespace rcnn::io::pickle
