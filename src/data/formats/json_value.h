#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/problems.h>

#include "strict_json.h"
#include "text.h"

namespace rcnn::data {

using Json = nlohmann::json;

/// The largest file of annotations that is read into memory as a whole.
inline constexpr size_t kLargestAnnotations = 1'000'000'000;

/// Farther away than any image reaches, in pixels, and near enough to be calculated with.
inline constexpr double kFarthest = 1e9;

/// Why one entry of a file is left out, and what stands there instead of what must.
struct BadEntry : std::runtime_error {
  explicit BadEntry(const std::string& what, std::string about = "")
      : std::runtime_error(what), value(std::move(about)) {}
  std::string value;

  /// "file.json shape 3 (points: null)"
  std::string at(const std::string& where) const {
    return value.empty() ? where : fmt::format("{} ({})", where, value);
  }
};

/// An object that does not say its class.
struct NoClass : BadEntry {
  using BadEntry::BadEntry;
};

/// Says of an object what is wrong with it: its class is asked for, and without a box it is a bad box.
inline void tell(const BadEntry& entry, const std::string& where, Policy bad_boxes, Problems& problems) {
  if (dynamic_cast<const NoClass*>(&entry) != nullptr) {
    problems.error(entry.what(), entry.at(where));
  } else {
    problems.bad(bad_boxes, "bad_boxes", entry.what(), entry.at(where));
  }
}

/// Parses a file of another program's annotations. NaN and Infinity, which are no JSON but written by
/// Python's json, become texts: an error where a number is needed, and harmless elsewhere. Throws JsonError.
Json parse_annotations(std::string text);

/// The keys of the objects at this depth of a JSON text, 1 for the outermost, as far as it goes: of a file's
/// head they are those of its beginning.
std::vector<std::string_view> keys_at(std::string_view text, size_t depth);

/// A value as JSON, for people: not all of it when it is long.
std::string shown(const Json& value);

/// The value under a key; null where there is none.
const Json& value_at(const Json& object, const char* key);

/// A number, also one in quotes, of which `problems` hears once; where() is its place. Throws BadEntry.
template <class Where>
double number_of(const Json& value, std::string_view key, Where where, Problems& problems) {
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) {
    const auto text = number<double>(trimmed(value.get_ref<const std::string&>()));
    if (text && std::isfinite(*text)) {
      problems.warn("a number is written in quotes, and taken for a number",
                    fmt::format("{} ({}: {})", where(), key, shown(value)));
      return *text;
    }
  }
  throw BadEntry(fmt::format("{} must be a number", key), shown(value));
}

/// A coordinate or a length in pixels: a number, and none with which boxes overflow. Throws BadEntry.
template <class Where>
double pixels_of(const Json& value, std::string_view key, Where where, Problems& problems) {
  const double length = number_of(value, key, where, problems);
  if (std::abs(length) > kFarthest)
    throw BadEntry(fmt::format("{} is farther away than any image reaches", key), shown(value));
  return length;
}

/// A whole number, also one in quotes or with decimals that are 0. Throws BadEntry.
template <class Where>
int64_t integer_of(const Json& value, std::string_view key, Where where, Problems& problems) {
  if (value.is_number_integer()) return value.get<int64_t>();
  const double number = number_of(value, key, where, problems);
  constexpr double kExact = 9007199254740992;  // 2^53: doubles hold all integers below
  if (number != std::trunc(number) || std::abs(number) > kExact)
    throw BadEntry(fmt::format("{} must be a whole number", key), shown(value));
  if (value.is_number()) {
    problems.warn("a whole number is written with decimals",
                  fmt::format("{} ({}: {})", where(), key, shown(value)));
  }
  return static_cast<int64_t>(number);
}

/// A text, also a number or a truth value as one, of which `problems` hears once. Throws BadEntry.
template <class Where>
std::string text_of(const Json& value, std::string_view key, Where where, Problems& problems) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number() && !value.is_boolean())
    throw BadEntry(fmt::format("{} must be a text", key), shown(value));
  problems.warn("a text is written without quotes", fmt::format("{} ({}: {})", where(), key, shown(value)));
  return value.dump();
}

}  // namespace rcnn::data
