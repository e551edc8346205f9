#include "data/missing_file.h"

#include <algorithm>
#include <system_error>

#include <spdlog/fmt/fmt.h>

#include "data/is_there.h"
#include "lower.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

}  // namespace

const MissingFiles::Names& MissingFiles::names_in(const fs::path& folder) {
  const auto [known, is_new] = folders_.try_emplace(folder);
  if (is_new) {
    std::error_code ignored;  // a folder that is not there holds no name
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const auto name = entry.path().filename().string();
      known->second.emplace(lower(name), name);
    }
  }
  return known->second;
}

std::string MissingFiles::why(const fs::path& file) {
  if (is_there(file)) return "";
  const auto name = file.filename().string();
  if (name.find('\\') != std::string::npos) return " (it has backslashes; write / instead)";
  const auto& names = names_in(file.parent_path());
  if (const auto other = names.find(lower(name)); other != names.end()) {
    return fmt::format(" (there is {}; upper and lower case differ)", other->second);
  }
  const bool ascii = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x80; });
  return ascii ? ""
               : " (it has letters with accents, which have two Unicode forms; the file may have the other)";
}

}  // namespace rcnn::data
