#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::vis {

/// A text as it stands in an element or in a quoted attribute: what means something in HTML becomes entities,
/// what is no UTF-8, and control characters but line breaks and tabs, become U+FFFD.
std::string escaped(std::string_view text);

/// With so many digits behind the point; a dash for what is no finite number.
std::string fixed(double value, int digits = 3);

/// In groups of three digits, 12,345.
std::string grouped(int64_t count);

/// "1 image", "2 images".
std::string counted(int64_t count, std::string_view what);

/// The beginning of a table, up to its first row; `looks` are its classes, `columns` stand in its head as
/// they are. One with a label scrolls by itself where the page is too narrow, and needs a "</div>" at its
/// end.
std::string table_head(std::string_view looks, const std::vector<std::string>& columns,
                       std::string_view label = "");

std::string base64(std::span<const uint8_t> bytes);

}  // namespace rcnn::vis
