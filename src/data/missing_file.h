#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>

namespace rcnn::data {

/// Guesses why files are missing. Remembers the folders that it has looked through.
class MissingFiles {
 public:
  /// In parentheses, with a space before; empty when there is no guess.
  std::string why(const std::filesystem::path& file);

 private:
  using Names = std::unordered_map<std::string, std::string>;  // in lower case, as they are
  const Names& names_in(const std::filesystem::path& folder);

  std::map<std::filesystem::path, Names> folders_;
};

}  // namespace rcnn::data
