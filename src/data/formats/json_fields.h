#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <simdjson.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/problems.h>
#include <rcnn/error.h>

#include "text.h"
#include "text_file.h"

namespace rcnn::data {

namespace json = simdjson::ondemand;

/// What is wrong with one entry; its place is added where it is known, with `detail` behind it.
struct Wrong : std::runtime_error {
  explicit Wrong(const std::string& what, std::string about = "")
      : std::runtime_error(what), detail(std::move(about)) {}
  std::string detail;
};

/// Reads a value under a key, and says which when it is of another type.
template <class Type>
Type get(json::value value, std::string_view key, const char* what) {
  Type result;
  if (value.get(result) != simdjson::SUCCESS) throw Wrong(fmt::format("{} must be {}", key, what));
  return result;
}

inline void take(json::value value, std::string_view key, int64_t& number) {
  number = get<int64_t>(value, key, "an integer of 64 bits");
}

inline void take(json::value value, std::string_view key, double& number) {
  number = get<double>(value, key, "a number");
}

inline void take(json::value value, std::string_view key, std::optional<double>& number) {
  number = get<double>(value, key, "a number");
}

inline void take(json::value value, std::string_view key, std::string& text) {
  text = get<std::string_view>(value, key, "a text");
}

/// The text stays in the parser's memory; null is an empty one.
inline void take(json::value value, std::string_view key, std::string_view& text) {
  text = value.is_null() ? std::string_view() : get<std::string_view>(value, key, "a text");
}

/// 0 or 1, or a truth value.
inline void take(json::value value, std::string_view key, bool& flag) {
  if (value.get(flag) == simdjson::SUCCESS) return;
  const int64_t number = get<int64_t>(value, key, "0 or 1");
  if (number != 0 && number != 1) throw Wrong(fmt::format("{} must be 0 or 1", key));
  flag = number == 1;
}

inline void take(json::value value, std::string_view key, std::array<double, 4>& box) {
  size_t count = 0;
  for (auto side : get<json::array>(value, key, "[x, y, width, height]")) {
    if (count == box.size()) throw Wrong(fmt::format("{} has more than four numbers", key));
    take(side.value(), key, box[count++]);
  }
  if (count != box.size()) throw Wrong(fmt::format("{} has {} numbers, not four", key, count));
}

/// Anything else.
void take(json::value value, std::string_view, std::invocable<json::value> auto& read) {
  read(value);
}

/// A field of an object, and where its value goes.
template <class Value>
struct Field {
  std::string_view key;
  bool required;
  Value& value;
};

template <class Value>
Field<Value> required(std::string_view key, Value& value) {
  return {key, true, value};
}

template <class Value>
Field<Value> optional(std::string_view key, Value& value) {
  return {key, false, value};
}

/// The key without its escapes, or none where it has no escapes: then it equals a text as it stands.
inline std::optional<std::string_view> without_escapes(simdjson::simdjson_result<json::field>& field) {
  const char* const raw = field.key().value().raw();
  if (raw[std::strcspn(raw, "\\\"")] != '\\') return std::nullopt;
  return field.unescaped_key().value();
}

/// Reads these fields of an object, whose other fields are passed over. Refuses an object that lacks a
/// required one or has one twice: programs disagree about which of two counts.
template <class... Value>
void read_fields(json::object object, Field<Value>... fields) {
  unsigned seen = 0;
  for (auto field : object) {
    const auto raw = field.key().value();
    unsigned bit = 1;
    const auto take_if = [&](bool is_it, auto& known) {
      if (!is_it) {
        bit <<= 1;
        return false;
      }
      if ((seen & bit) != 0) throw Wrong(fmt::format("{} is there twice", known.key));
      seen |= bit;
      take(field.value().value(), known.key, known.value);
      return true;
    };
    if ((take_if(raw.unsafe_is_equal(fields.key), fields) || ...)) continue;
    bit = 1;
    if (const auto key = without_escapes(field)) (take_if(*key == fields.key, fields) || ...);
  }
  unsigned bit = 1;
  const auto check = [&](const auto& field) {
    if (field.required && (seen & bit) == 0) throw Wrong(fmt::format("has no {}", field.key));
    bit <<= 1;
  };
  (check(fields), ...);
}

/// Calls read(object) for each object of a list; those that it refuses are left out.
template <class Read>
void for_each(json::array list, std::string_view name, Problems& problems, Read read) {
  int64_t place = 0;
  for (auto entry : list) {
    try {
      json::object object;
      if (entry.get(object) != simdjson::SUCCESS) throw Wrong("must be an object");
      read(object);
    } catch (const Wrong& wrong) {
      problems.error(wrong.what(), fmt::format("{}[{}]{}", name, place, wrong.detail));
    }
    ++place;
  }
}

/// Throws DataError for a file whose first bytes are those of no JSON object or list, so that gigabytes of
/// something else are not read to find that out. Pipes are let through: what is read of them is gone.
inline void check_json_start(const std::filesystem::path& file) {
  std::error_code ignored;  // what is not there is for its reader to say
  if (!std::filesystem::is_regular_file(file, ignored)) return;
  constexpr size_t kLooked = 4096;
  const auto head = read_head(file, kLooked);
  std::string_view text = head;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text = trimmed(text);
  if (text.empty() || text[0] == '{' || text[0] == '[' || text[0] == '/')
    return;  // a config may begin with a comment
  throw DataError(fmt::format("{}: is no JSON: it begins with the byte 0x{:02x}, not with {{ or [",
                              file.string(), static_cast<unsigned char>(text[0])));
}

/// Where the parser stands, for people; nothing at the end of the text.
inline std::string line_of(json::document& document, std::string_view bytes) {
  const char* place = nullptr;
  if (document.current_location().get(place) != simdjson::SUCCESS) return "";
  return fmt::format("line {}: ", std::count(bytes.data(), place, '\n') + 1);
}

/// What read(document) makes of a JSON file. Throws DataError for a file that cannot be read, what is no
/// JSON, with the line, and what read() refuses.
template <class Read>
auto read_json(const std::filesystem::path& file, Read read) {
  simdjson::padded_string bytes;
  if (std::filesystem::is_directory(file)) {
    throw DataError(fmt::format("{}: is a folder; name the JSON file", file.string()));
  }
  check_json_start(file);
  if (simdjson::padded_string::load(file.string()).get(bytes) != simdjson::SUCCESS) {
    throw DataError(fmt::format("{}: cannot be read", file.string()));
  }
  json::parser parser;
  json::document document;
  if (const auto error = parser.iterate(bytes).get(document); error != simdjson::SUCCESS) {
    throw DataError(fmt::format("{}: is no JSON: {}", file.string(), simdjson::error_message(error)));
  }
  try {
    auto result = read(document);
    if (document.current_location().error() == simdjson::SUCCESS) {
      throw Wrong("something follows the end of the JSON text");
    }
    return result;
  } catch (const Wrong& wrong) {
    throw DataError(fmt::format("{}: {}", file.string(), wrong.what()));
  } catch (const simdjson::simdjson_error& error) {
    throw DataError(fmt::format("{}: {}is no JSON or is cut short: {}", file.string(),
                                line_of(document, bytes), error.what()));
  }
}

}  // namespace rcnn::data
