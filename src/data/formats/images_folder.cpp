#include "data/formats/images_folder.h"

#include <vector>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/paths.h"

namespace rcnn::data {

namespace fs = std::filesystem;

fs::path images_folder_of(const fs::path& file, const std::string& part, const std::string& first_image) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (first_image.empty()) return folder;
  const fs::path above = folder / "..";
  std::vector<std::string> looked;
  for (const fs::path& path : {folder, folder / "images", folder / part, above / part,
                               above / "images" / part, above / "images", above}) {
    const fs::path place = path.lexically_normal();  // the folder above by name, not a link's target's
    if (is_there(place / first_image)) return place;
    looked.push_back(place.string());
  }
  std::vector<fs::path> found;
  std::error_code ignored;  // a folder that cannot be listed has none
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_directory(ignored) && is_there(entry.path() / first_image)) found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  throw DataError(
      fmt::format("{}: its first image, {}, is in none of {}; name the folder of the images (--images, in a "
                  "config images)",
                  file.string(), first_image, fmt::join(looked, ", ")));
}

}  // namespace rcnn::data
