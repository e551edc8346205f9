#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <simdjson.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/problems.h>

#include "text.h"

namespace rcnn::data {

namespace json = simdjson::ondemand;

/// What is wrong with one entry; its place is added where it is known, with `detail` behind it.
struct Wrong : std::runtime_error {
  explicit Wrong(const std::string& what, std::string about = "")
      : std::runtime_error(what), detail(std::move(about)) {}
  std::string detail;
};

/// A value as it stands in the text, for messages; a long one is cut. May be asked for at any time.
inline std::string shown(json::value value) {
  const std::string_view text = value.raw_json_token();
  constexpr size_t kMost = simdjson::SIMDJSON_PADDING;  // so much may be looked at behind any place
  size_t length = trimmed(text).size();
  if (text.starts_with('[') || text.starts_with('{')) {
    int depth = 0;
    length = 0;
    do {
      const char c = text.data()[length++];
      depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    } while (depth > 0 && length <= kMost);
  }
  if (length <= kMost) return {text.data(), length};
  length = kMost;
  while (length > 0 && (text.data()[length] & 0xc0) == 0x80) --length;  // whole characters
  return std::string(text.data(), length) + "...";
}

/// " (VALUE)", the detail of what is wrong with a value.
inline std::string in_brackets(json::value value) {
  return fmt::format(" ({})", shown(value));
}

/// One entry of a list, or an object that is in none, and who hears what is odd about it.
class JsonEntry {
 public:
  JsonEntry(std::string_view list, Problems& problems, Policy bad_values)
      : list_(list), problems_(problems), bad_values_(bad_values) {}

  void next() { ++place_; }
  std::string where(std::string_view detail = "") const {
    return place_ < 0 ? fmt::format("{}{}", list_, detail) : fmt::format("{}[{}]{}", list_, place_, detail);
  }

  /// A value in another form than it should have, and taken.
  void odd(const char* what, std::string_view key, json::value value) const {
    problems_.warn(what, fmt::format("{}.{}{}", where(), key, in_brackets(value)));
  }

  void error(const Wrong& wrong) const { problems_.error(wrong.what(), where(wrong.detail)); }

  /// What a policy bears, where there is one.
  void bad(std::optional<Policy> policy, const char* option, const Wrong& wrong) const {
    if (!policy) return error(wrong);
    problems_.bad(*policy, option, wrong.what(), where(wrong.detail));
  }

  /// A value that cannot be understood, and does no harm.
  void bad_value(const Wrong& wrong) const { bad(bad_values_, "bad_values", wrong); }

 private:
  std::string_view list_;
  Problems& problems_;
  Policy bad_values_;
  int64_t place_ = -1;
};

constexpr const char* kQuotedNumber = "a number is written as a text";
constexpr const char* kDecimalNumber = "a whole number is written with decimals";

/// Each type of value has take(), for the form that it should have, and take_oddly() for the others: it says
/// what is odd, or throws Wrong. A value that take() returned false for has not been moved on from.

/// The whole number that a text is: 12, 12.0, 1.2e1.
inline std::optional<int64_t> whole_number(std::string_view text) {
  if (const auto integer = number<int64_t>(text)) return integer;
  const auto point = text.find('.');
  if (point != std::string_view::npos && text.find_first_not_of('0', point + 1) == std::string_view::npos)
    return number<int64_t>(text.substr(0, point));  // a double would not hold all of them
  const auto real = number<double>(text);
  constexpr double kExact = 9007199254740992;  // 2^53
  if (!real || *real != std::floor(*real) || std::abs(*real) > kExact) return std::nullopt;
  return static_cast<int64_t>(*real);
}

inline bool is_null(json::value value) {
  bool null = false;
  return value.is_null().get(null) == simdjson::SUCCESS && null;
}

/// Whether a value is a text, which is then in `text`, without space around it.
inline bool is_text(json::value value, std::string_view& text) {
  if (value.get(text) != simdjson::SUCCESS) return false;
  text = trimmed(text);
  return true;
}

inline bool take(json::value value, int64_t& number) {
  return value.get(number) == simdjson::SUCCESS;
}
inline void take_oddly(json::value value, std::string_view key, int64_t& number, const JsonEntry& entry) {
  std::string_view text;
  const bool quoted = is_text(value, text);
  if (!quoted) text = trimmed(value.raw_json_token());
  const auto taken = whole_number(text);
  if (!taken) throw Wrong(fmt::format("{} must be an integer of 64 bits", key), in_brackets(value));
  number = *taken;
  entry.odd(quoted ? kQuotedNumber : kDecimalNumber, key, value);
}

inline bool take(json::value value, double& number) {
  return value.get(number) == simdjson::SUCCESS;
}
inline void take_oddly(json::value value, std::string_view key, double& number, const JsonEntry& entry) {
  std::string_view text;
  const auto taken = is_text(value, text) ? rcnn::number<double>(text) : std::nullopt;
  if (!taken || !std::isfinite(*taken))
    throw Wrong(fmt::format("{} must be a number", key), in_brackets(value));
  number = *taken;
  entry.odd(kQuotedNumber, key, value);
}

inline bool take(json::value value, std::optional<double>& number) {
  return take(value, number.emplace()) || (number.reset(), false);
}
inline void take_oddly(json::value value, std::string_view key, std::optional<double>& number,
                       const JsonEntry& entry) {
  double taken = 0;
  take_oddly(value, key, taken, entry);
  number = taken;
}

inline bool take(json::value value, std::string& text) {
  std::string_view view;
  if (value.get(view) != simdjson::SUCCESS) return false;
  text = view;
  return true;
}
inline void take_oddly(json::value value, std::string_view key, std::string& text, const JsonEntry& entry) {
  const auto token = trimmed(value.raw_json_token());
  const auto taken = number<double>(token);
  if (!taken || !std::isfinite(*taken))
    throw Wrong(fmt::format("{} must be a text", key), in_brackets(value));
  text = token;
  entry.odd("a text is written as a number", key, value);
}

/// The text stays in the parser's memory; null is an empty one.
inline bool take(json::value value, std::string_view& text) {
  return value.get(text) == simdjson::SUCCESS || is_null(value);
}
inline void take_oddly(json::value value, std::string_view key, std::string_view&, const JsonEntry&) {
  throw Wrong(fmt::format("{} must be a text", key), in_brackets(value));
}

/// 0 or 1, or a truth value.
inline bool take(json::value value, bool& flag) {
  int64_t number = 0;
  if (value.get(number) == simdjson::SUCCESS && (number == 0 || number == 1)) {
    flag = number == 1;
    return true;
  }
  return value.get(flag) == simdjson::SUCCESS;
}
inline void take_oddly(json::value value, std::string_view key, bool& flag, const JsonEntry& entry) {
  std::string_view text;
  const bool quoted = is_text(value, text);
  if (!quoted) text = trimmed(value.raw_json_token());
  const auto number = whole_number(text);
  const auto word = quoted ? lower(std::string(text)) : "";
  if (word == "true" || word == "false") {
    flag = word == "true";
    entry.odd("a truth value is written as a text", key, value);
  } else if (number == 0 || number == 1) {
    flag = number == 1;
    entry.odd(quoted ? kQuotedNumber : kDecimalNumber, key, value);
  } else {
    throw Wrong(fmt::format("{} must be 0 or 1", key), in_brackets(value));
  }
}

/// A number, or a text in its place.
struct JsonId {
  enum class Kind { absent, number, text };
  Kind kind = Kind::absent;
  int64_t number = 0;
  std::string text = {};
};

inline bool take(json::value value, JsonId& id) {
  if (value.get(id.number) != simdjson::SUCCESS) return false;
  id.kind = JsonId::Kind::number;
  return true;
}
inline void take_oddly(json::value value, std::string_view key, JsonId& id, const JsonEntry& entry) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    id.text = text;
    id.kind = JsonId::Kind::text;
  } else {
    take_oddly(value, key, id.number, entry);
    id.kind = JsonId::Kind::number;
  }
}

/// [x, y, width, height], which there is none of where it is empty or null.
struct JsonBox {
  std::array<double, 4> sides = {};
  size_t count = 0;            ///< of numbers in the list
  bool quoted = false;         ///< some are texts
  std::optional<Wrong> wrong;  ///< why it is no box
};

inline bool take(json::value value, JsonBox& box) {
  json::array list;
  if (value.get(list) != simdjson::SUCCESS) return false;
  bool all_numbers = true;
  for (auto side : list) {
    double number = 0;
    if (side.get(number) != simdjson::SUCCESS) {
      std::string_view text;
      const auto taken = is_text(side.value(), text) ? rcnn::number<double>(text) : std::nullopt;
      all_numbers &= taken && std::isfinite(*taken);
      number = taken.value_or(0);
      box.quoted = true;
    }
    if (box.count < box.sides.size()) box.sides[box.count] = number;
    ++box.count;
  }
  if (box.count > 0 && box.count != box.sides.size()) {
    box.wrong.emplace(fmt::format("a box has {} numbers, not four", box.count), in_brackets(value));
  } else if (!all_numbers) {
    box.wrong.emplace("a box must have four numbers", in_brackets(value));
  }
  return !box.quoted;
}
inline void take_oddly(json::value value, std::string_view key, JsonBox& box, const JsonEntry& entry) {
  if (box.count > 0) {
    if (!box.wrong) entry.odd(kQuotedNumber, key, value);
  } else if (!is_null(value)) {
    box.wrong.emplace("a box must be [x, y, width, height]", in_brackets(value));
  }
}

/// Anything else.
bool take(json::value value, std::invocable<json::value> auto& read) {
  read(value);
  return true;
}
void take_oddly(json::value, std::string_view, std::invocable<json::value> auto&, const JsonEntry&) {}

/// Whether a field may be absent, or null, and whether it may also be of no use.
enum class Need { required, optional, harmless };

/// A field of an object, and where its value goes.
template <class Value>
struct Field {
  std::string_view key;
  Need need;
  Value& value;
};

template <class Value>
Field<Value> required(std::string_view key, Value& value) {
  return {key, Need::required, value};
}

template <class Value>
Field<Value> optional(std::string_view key, Value& value) {
  return {key, Need::optional, value};
}

/// One that a box, a class and a score do not depend on.
template <class Value>
Field<Value> harmless(std::string_view key, Value& value) {
  return {key, Need::harmless, value};
}

/// The value of a field that is not in the form that it should have.
template <class Value>
void take_in_another_form(json::value value, const Field<Value>& field, const JsonEntry& entry) {
  constexpr bool kSaysItself = std::same_as<Value, JsonBox>;  // what no box means
  if (field.need != Need::required && !kSaysItself && is_null(value)) {
    entry.odd("null, which is taken for nothing", field.key, value);
    return;
  }
  try {
    take_oddly(value, field.key, field.value, entry);
  } catch (const Wrong& wrong) {
    if (field.need != Need::harmless) throw;
    entry.bad_value(wrong);
  }
}

/// The key without its escapes, or none where it has no escapes: then it equals a text as it stands.
inline std::optional<std::string_view> without_escapes(simdjson::simdjson_result<json::field>& field) {
  const char* const raw = field.key().value().raw();
  if (raw[std::strcspn(raw, "\\\"")] != '\\') return std::nullopt;
  return field.unescaped_key().value();
}

/// Reads these fields of an object; rest(key, value) gets the others. Refuses an object that lacks a required
/// one or has one twice: programs disagree about which of two counts. All fields are read before anything is
/// refused.
template <std::invocable<std::string_view, json::value> Rest, class... Value>
void read_fields(json::object object, const JsonEntry& entry, const Rest& rest, Field<Value>... fields) {
  unsigned seen = 0;
  std::optional<Wrong> wrong;
  for (auto field : object) {
    const auto raw = field.key().value();
    unsigned bit = 1;
    const auto take_if = [&](bool is_it, auto& known) {
      if (!is_it) {
        bit <<= 1;
        return false;
      }
      const bool twice = (seen & bit) != 0;
      seen |= bit;
      const json::value value = field.value().value();
      if (!twice && take(value, known.value)) return true;
      try {
        if (twice) throw Wrong(fmt::format("{} is there twice", known.key));
        take_in_another_form(value, known, entry);
      } catch (const Wrong& found) {
        if (!wrong) wrong.emplace(found);
      }
      return true;
    };
    if ((take_if(raw.unsafe_is_equal(fields.key), fields) || ...)) continue;
    bit = 1;
    const auto key = without_escapes(field);
    if (key && (take_if(*key == fields.key, fields) || ...)) continue;
    rest(key ? *key : field.unescaped_key().value(), field.value().value());
  }
  unsigned bit = 1;
  const auto check = [&](const auto& field) {
    if (field.need == Need::required && (seen & bit) == 0 && !wrong)
      wrong.emplace(fmt::format("has no {}", field.key));
    bit <<= 1;
  };
  (check(fields), ...);
  if (wrong) throw *wrong;
}

/// The same where the other fields are passed over.
template <class... Value>
void read_fields(json::object object, const JsonEntry& entry, Field<Value>... fields) {
  read_fields(
      object, entry, [](std::string_view, json::value) {}, fields...);
}

/// Calls read(object, entry) for each object of a list, which may be written as an object of objects; those
/// that it refuses are left out.
template <class Read>
void for_each(json::value list, std::string_view name, Problems& problems, Policy bad_values, Read read) {
  JsonEntry entry(name, problems, bad_values);
  const auto see = [&](auto value) {
    entry.next();
    try {
      json::object object;
      if (value.get(object) != simdjson::SUCCESS)
        throw Wrong("must be an object", in_brackets(value.value()));
      read(object, entry);
    } catch (const Wrong& wrong) {
      entry.error(wrong);
    }
  };
  if (json::array array; list.get(array) == simdjson::SUCCESS) {
    for (auto value : array) see(value);
    return;
  }
  json::object by_key;
  if (list.get(by_key) != simdjson::SUCCESS)
    throw Wrong(fmt::format("{} must be a list", name), in_brackets(list));
  problems.warn("a list is written as an object; its values are taken in their order", std::string(name));
  std::unordered_set<std::string> keys;
  for (auto field : by_key) {
    const std::string_view key = field.unescaped_key();
    if (!keys.emplace(key).second) throw Wrong(fmt::format("{} has \"{}\" twice", name, key));
    see(field.value());
  }
}

}  // namespace rcnn::data
