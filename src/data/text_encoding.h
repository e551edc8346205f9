#pragma once

#include <string>
#include <string_view>

namespace rcnn::data {

/// What editors of Windows put before UTF-8.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// A text without a byte order mark.
std::string without_byte_order_mark(std::string text);

/// Why a text, which may be the beginning of one, is in an encoding of two or four bytes a character: "is
/// UTF-16; save it as UTF-8"; empty when it is not.
std::string why_wide(std::string_view text);

/// Why a text is not UTF-8: "is UTF-16; save it as UTF-8", "line 3 is no UTF-8 ..."; empty when it is.
std::string why_no_utf8(std::string_view text);

}  // namespace rcnn::data
