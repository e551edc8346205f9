#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace rcnn::data {

/// The number that a text is, and nothing when it is anything else.
template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace rcnn::data
