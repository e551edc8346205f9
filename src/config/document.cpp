#include "config/document.h"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

namespace rcnn::config {

std::string join_key(std::string_view object, std::string_view key) {
  const bool plain = key.find('.') == std::string_view::npos && !key.starts_with('"');
  const auto written = plain ? std::string(key) : Json(key).dump();
  return object.empty() ? written : fmt::format("{}.{}", object, written);
}

std::vector<std::string> split_key(std::string_view key) {
  std::vector<std::string> keys;
  for (size_t begin = 0; begin <= key.size();) {
    size_t end = begin;
    if (key.substr(begin).starts_with('"')) {
      for (++end; end < key.size() && key[end] != '"'; ++end) end += key[end] == '\\';
      end = std::min(end + 1, key.size());
    }
    const bool quoted = end > begin;
    end = std::min(key.find('.', end), key.size());
    const auto part = key.substr(begin, end - begin);
    const auto text = quoted ? Json::parse(part, nullptr, /*allow_exceptions=*/false) : Json(part);
    keys.push_back(text.is_string() ? text.get<std::string>() : "");
    begin = end + 1;
  }
  return keys;
}

void Document::merge(Json& target, const Json& patch, const std::string& path, const std::string& origin) {
  const auto fail = [&](const std::string& key, std::string_view what) {
    throw ConfigError(fmt::format("{}: {}: {}", origin, join_key(path, key), what));
  };
  const bool has_names = path.substr(path.rfind('.') + 1) == kNamesOfParameters;
  if (const auto replace = patch.find("_replace_"); replace != patch.end()) {
    if (!replace->is_boolean()) fail("_replace_", "must be true or false");
    if (replace->get<bool>()) target = Json::object();
  }
  for (const auto& [key, value] : patch.items()) {
    if (key == "_replace_") continue;
    if (key == "_base_") fail(key, "only the outermost object of a file can have bases");
    if (key.empty() || (key.find('.') != std::string::npos && !has_names))
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

void Document::override_stages(const Json& patch) {
  const auto stages = root_.find("stages");
  if (stages == root_.end() || !stages->is_array()) return;
  const std::function<void(Json&, const Json&)> give_way = [&](Json& with, const Json& other) {
    for (const auto& [key, value] : other.items()) {
      const auto found = with.find(key);
      if (found == with.end()) continue;
      if (found->is_null() && value.is_object()) continue;  // a section that the stage takes away
      if (!found->is_object() || !value.is_object()) {
        *found = value;
      } else if (found->contains("_replace_")) {
        found->merge_patch(value);  // nothing else brings it in
      } else {
        give_way(*found, value);
      }
    }
  };
  for (auto& stage : *stages) {
    if (stage.is_object() && stage.contains("with") && stage["with"].is_object())
      give_way(stage["with"], patch);
  }
}

void Document::replace_strings(Json& value, const std::string& key, const Replace& replace) {
  if (value.is_string()) {
    value = replace(key, value.get<std::string>());
  } else if (value.is_object()) {
    for (auto& [name, inner] : value.items()) replace_strings(inner, join_key(key, name), replace);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i)
      replace_strings(value[i], join_key(key, std::to_string(i + 1)), replace);
  }
}

const Json* Document::find(std::string_view key) const {
  const Json* value = &root_;
  if (key.empty()) return value;
  for (const auto& part : split_key(key)) {
    if (value->is_array()) {
      size_t place = 0;
      std::from_chars(part.data(), part.data() + part.size(), place);
      if (place == 0 || place > value->size()) return nullptr;
      value = &(*value)[place - 1];
      continue;
    }
    const auto found = value->find(part);
    if (!value->is_object() || found == value->end()) return nullptr;
    value = &*found;
  }
  return value;
}

const std::string& Document::origin(const std::string& key) const {
  if (!find(key)) return name_;
  for (auto outer = key;; outer.resize(outer.rfind('.'))) {  // of what is in a list, that of the list
    const auto found = origins_.find(outer);
    if (found != origins_.end()) return found->second;
    if (outer.find('.') == std::string::npos) return name_;
  }
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
