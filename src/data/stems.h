#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

namespace rcnn::data {

/// The stems of the files NAME*.ENDING in a folder, sorted; none when there is no such folder.
inline std::set<std::string> stems(const std::filesystem::path& folder, std::string_view beginning,
                                   std::string_view ending) {
  std::set<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::filesystem::path& file = entry.path();
    if (file.extension() == ending && file.filename().string().starts_with(beginning))
      found.insert(file.stem());
  }
  return found;
}

}  // namespace rcnn::data
