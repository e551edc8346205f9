#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace rcnn::test {

/// Names that a golden holds as nested objects, with the shapes that are their leaves; empty where there is
/// none (null).
using NameTree = std::map<std::string, std::vector<int64_t>>;

inline void add_names(NameTree& names, const nlohmann::json& tree, const std::string& prefix = "") {
  for (const auto& [key, value] : tree.items()) {
    if (value.is_object()) {
      add_names(names, value, prefix + key + ".");
    } else {
      names[prefix + key] = value.is_null() ? std::vector<int64_t>() : value.get<std::vector<int64_t>>();
    }
  }
}

inline NameTree names_in(const nlohmann::json& tree) {
  NameTree names;
  add_names(names, tree);
  return names;
}

}  // namespace rcnn::test
