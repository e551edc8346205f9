#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/temp_folder.h"

namespace rcnn {

/// A file of one JSON value a line, metrics.jsonl for one.
inline std::vector<nlohmann::ordered_json> json_lines(const std::filesystem::path& file) {
  std::vector<nlohmann::ordered_json> lines;
  std::istringstream text(file_bytes(file));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::ordered_json::parse(line));
  return lines;
}

/// In the file's order.
inline std::vector<std::string> keys_of(const nlohmann::ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

}  // namespace rcnn
