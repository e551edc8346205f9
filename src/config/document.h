#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <rcnn/error.h>

namespace rcnn::config {

using Json = nlohmann::ordered_json;

/// "model.rpn" and "nms_threshold" make "model.rpn.nms_threshold"; the outermost object is "".
std::string join_key(std::string_view object, std::string_view key);

/// One resolved document: the values, where each came from, and which were asked for. Once it is built, any
/// number of threads may read it.
class Document {
 public:
  explicit Document(std::string name) : name_(std::move(name)) {}

  /// Lays `patch` over what is there: RFC 7396 with "_replace_".
  void merge(const Json& patch, const std::string& origin) { merge(root_, patch, "", origin); }

  const Json& root() const { return root_; }

  /// The value under a dotted key, null when there is none.
  const Json* find(std::string_view key) const;

  /// The file that `key` came from; for an absent key the file that was loaded.
  const std::string& origin(const std::string& key) const;

  /// "file: dotted.key: what"
  ConfigError error(const std::string& key, std::string_view what) const;

  void mark_asked(const std::string& object, std::string_view key) const;
  std::set<std::string> asked(const std::string& object) const;

 private:
  void merge(Json& target, const Json& patch, const std::string& path, const std::string& origin);

  std::string name_;
  Json root_ = Json::object();
  std::map<std::string, std::string> origins_;  // by dotted key, objects too
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::set<std::string>> asked_;  // keys by object
};

}  // namespace rcnn::config
