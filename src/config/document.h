#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <rcnn/error.h>

namespace rcnn::config {

using Json = nlohmann::ordered_json;

/// "model.rpn" and "nms_threshold" make "model.rpn.nms_threshold"; the outermost object is "". A key that
/// holds a dot is written in quotes: train.factors."rpn.*".lr.
std::string join_key(std::string_view object, std::string_view key);

/// The inverse: the keys that lead to a value. Quotes that do not close are an empty key.
std::vector<std::string> split_key(std::string_view key);

/// The object whose keys are names of parameters, so that they may hold dots.
inline constexpr std::string_view kNamesOfParameters = "factors";

/// One resolved document: the values, where each came from, and which were asked for. Once it is built, any
/// number of threads may read it.
class Document {
 public:
  explicit Document(std::string name) : name_(std::move(name)) {}

  /// The same values from the same places, of which nothing was asked yet.
  Document(const Document& other) : name_(other.name_), root_(other.root_), origins_(other.origins_) {}

  /// Lays `patch` over what is there: RFC 7396 with "_replace_".
  void merge(const Json& patch, const std::string& origin) { merge(root_, patch, "", origin); }

  /// What a stage's "with" says against `patch` gives way: a command line has the last word. An object that a
  /// stage takes away stays away.
  void override_stages(const Json& patch);

  void erase(const std::string& key) { root_.erase(key); }

  /// Puts what `replace` makes of it in the place of every string, given its dotted key.
  using Replace = std::function<std::string(const std::string& key, const std::string& value)>;
  void replace_strings(const Replace& replace) { replace_strings(root_, "", replace); }

  const Json& root() const { return root_; }

  /// The value under a dotted key, null when there is none. The elements of a list are 1, 2, ...
  const Json* find(std::string_view key) const;

  /// The file that `key` came from; for an absent key the file that was loaded.
  const std::string& origin(const std::string& key) const;

  /// "file: dotted.key: what"
  ConfigError error(const std::string& key, std::string_view what) const;

  void mark_asked(const std::string& object, std::string_view key) const;
  std::set<std::string> asked(const std::string& object) const;

 private:
  void merge(Json& target, const Json& patch, const std::string& path, const std::string& origin);
  static void replace_strings(Json& value, const std::string& key, const Replace& replace);

  std::string name_;
  Json root_ = Json::object();
  std::map<std::string, std::string> origins_;  // by dotted key, objects too
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::set<std::string>> asked_;  // keys by object
};

}  // namespace rcnn::config
