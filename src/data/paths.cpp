#include "data/paths.h"

#include <algorithm>
#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "text.h"
#include "text_file.h"

namespace rcnn::data {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;  // a name that is too long, a folder that may not be read
  return fs::exists(path, ignored);
}

bool stays_inside(const std::string& file_name) {
  const fs::path name = file_name;
  return !name.empty() && !name.is_absolute() && file_name.find('\0') == std::string::npos &&
         std::find(name.begin(), name.end(), "..") == name.end();
}

bool lies_in(const fs::path& file, const fs::path& folder) {
  const auto inside = file.lexically_relative(folder);
  return inside.empty() || *inside.begin() != "..";
}

bool lies_inside(const fs::path& file, const fs::path& folder) {
  std::error_code no_file, no_folder;
  const auto true_file = fs::canonical(file, no_file);
  const auto true_folder = fs::canonical(folder, no_folder);
  return !no_file && !no_folder && lies_in(true_file, true_folder);
}

std::string read_text(const fs::path& file, size_t most) {
  try {
    auto text = without_byte_order_mark(read_text_file(file, most));
    if (const auto why = why_no_utf8(text); !why.empty())
      throw DataError(fmt::format("{}: {}", file.string(), why));
    return text;
  } catch (const TextFileError& error) {
    throw DataError(fmt::format("{}: cannot be read: {}", file.string(), error.what()));
  }
}

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
