#include "config/document.h"

#include <spdlog/fmt/fmt.h>

namespace rcnn::config {

std::string join_key(std::string_view object, std::string_view key) {
  return object.empty() ? std::string(key) : fmt::format("{}.{}", object, key);
}

void Document::merge(Json& target, const Json& patch, const std::string& path, const std::string& origin) {
  const auto fail = [&](const std::string& key, std::string_view what) {
    throw ConfigError(fmt::format("{}: {}: {}", origin, join_key(path, key), what));
  };
  if (const auto replace = patch.find("_replace_"); replace != patch.end()) {
    if (!replace->is_boolean()) fail("_replace_", "must be true or false");
    if (replace->get<bool>()) target = Json::object();
  }
  for (const auto& [key, value] : patch.items()) {
    if (key == "_replace_") continue;
    if (key == "_base_") fail(key, "only the outermost object of a file can have bases");
    if (key.empty() || key.find('.') != std::string::npos)
      fail(key, "a key must not be empty nor hold a dot");
    if (value.is_null()) {
      target.erase(key);
      continue;
    }
    const auto found = target.find(key);
    const bool merges = value.is_object() && found != target.end() && found->is_object();
    const std::string inner = join_key(path, key);
    // The origin of an object is whoever made it, that of anything else whoever wrote it last.
    if (!merges) origins_[inner] = origin;
    if (!value.is_object()) {
      target[key] = value;
    } else {
      if (!merges) target[key] = Json::object();
      merge(target[key], value, inner, origin);
    }
  }
}

const Json* Document::find(std::string_view key) const {
  const Json* value = &root_;
  while (!key.empty()) {
    const size_t dot = key.find('.');
    if (!value->is_object()) return nullptr;
    const auto found = value->find(std::string(key.substr(0, dot)));
    if (found == value->end()) return nullptr;
    value = &*found;
    key = dot == std::string_view::npos ? "" : key.substr(dot + 1);
  }
  return value;
}

const std::string& Document::origin(const std::string& key) const {
  const auto found = origins_.find(key);
  return found == origins_.end() || !find(key) ? name_ : found->second;
}

ConfigError Document::error(const std::string& key, std::string_view what) const {
  return ConfigError(fmt::format("{}: {}: {}", origin(key), key, what));
}

void Document::mark_asked(const std::string& object, std::string_view key) const {
  const std::lock_guard lock(mutex_);
  asked_[object].emplace(key);
}

std::set<std::string> Document::asked(const std::string& object) const {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find(object);
  return found == asked_.end() ? std::set<std::string>() : found->second;
}

}  // namespace rcnn::config
