#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace rcnn {

/// Why a text is refused, and where in it.
struct JsonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The text is no JSON at all.
struct JsonSyntaxError : JsonError {
  using JsonError::JsonError;
};

/// What a text must keep to. nlohmann destroys and prints documents recursively, hence a bound on their
/// depth.
struct JsonRules {
  size_t max_depth = 64;
  bool comments = false;
};

/// Builds the document while it refuses what nlohmann accepts in silence: too deep a nesting, duplicate keys
/// (it keeps the last) and integers beyond int64 (it makes them doubles).
template <class Json>
class StrictJsonBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit StrictJsonBuilder(size_t max_depth) : max_depth_(max_depth) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(int64_t value) override { return add(value); }
  bool number_unsigned(uint64_t value) override {
    if (value > uint64_t{std::numeric_limits<int64_t>::max()}) fail(std::to_string(value) + " is too large");
    return add(value);
  }
  bool number_float(double value, const std::string& token) override {
    // nlohmann writes the locale's decimal point into it: what makes it an integer is that nothing else is
    // there.
    if (token.find_first_not_of("-0123456789") == std::string::npos) fail(token + " is too large");
    return add(value);
  }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(typename Json::binary_t&) override { return false; }  // not in JSON texts
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& key) override {
    keys_.back() = key;
    if (open_.back()->contains(key)) fail("duplicate key");
    return true;
  }
  bool parse_error(size_t, const std::string&, const typename Json::exception& error) override {
    std::string reason =
        error.what();  // "[json.exception.parse_error.101] parse error at line ...; last read: ..."
    reason = reason.substr(reason.find("] ") + 2);
    reason = reason.substr(0, reason.find("; last read"));
    if (dynamic_cast<const typename Json::parse_error*>(&error)) throw JsonSyntaxError(reason);
    fail(reason);
  }

 private:
  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() >= max_depth_) fail("nested too deeply");
    open_.push_back(&place(std::move(value)));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (!parent.is_array()) return parent[keys_.back()] = std::move(value);
    parent.push_back(std::move(value));
    return parent.back();
  }

  [[noreturn]] void fail(const std::string& what) const {
    std::string path;
    for (const auto& key : keys_) {
      if (!key.empty()) path += (path.empty() ? "" : ".") + key;
    }
    throw JsonError(path.empty() ? what : path + ": " + what);
  }

  const size_t max_depth_;
  Json root_;
  std::vector<Json*> open_;        // the containers around the present place
  std::vector<std::string> keys_;  // the key last met in each, empty in a list
};

/// Parses one JSON text. Throws JsonError.
template <class Json>
Json parse_json(std::string_view text, JsonRules rules) {
  StrictJsonBuilder<Json> builder(rules.max_depth);
  Json::sax_parse(text.begin(), text.end(), &builder, Json::input_format_t::json, /*strict=*/true,
                  rules.comments);
  return builder.take();
}

}  // namespace rcnn
