#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include <rcnn/data/paths.h>

#include "data/text_encoding.h"

namespace rcnn::data {

/// Whether there is such a file or folder that can be looked at.
bool is_there(const std::filesystem::path& path);

/// Whether a file name from an annotation file stays inside of the folder that it starts from.
bool stays_inside(const std::string& file_name);

/// Whether a path is a folder's or leads below it; both canonical.
bool lies_in(const std::filesystem::path& file, const std::filesystem::path& folder);

/// A text file's UTF-8, see read_text_file(), without a byte order mark. Throws DataError, also for UTF-16
/// and for what is no UTF-8, with the line.
std::string read_text(const std::filesystem::path& file, size_t most);

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
