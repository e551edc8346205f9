#include "listed_images.h"

#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/paths.h>

namespace rcnn::tools {

namespace fs = std::filesystem;

fs::path ListedImages::find(const std::string& name) {
  const auto folder = folder_.empty() ? fs::path(".") : folder_;
  bool outside = false;
  std::error_code not_there;
  for (const auto& file : {folder / name, folder / fs::path(name).filename()}) {
    if (name.empty() || !fs::is_regular_file(file, not_there)) continue;
    if (!confined_ || data::lies_inside(file, folder)) return file;
    outside = true;
  }
  if (outside) outside_.insert(name);
  return {};
}

std::string ListedImages::warning() const {
  if (outside_.empty()) return "";
  return fmt::format("images whose names lead out of {}: {}, such as {}; --images FOLDER says where they are",
                     folder_.empty() ? "the current folder" : folder_.string(), outside_.size(),
                     *outside_.begin());
}

}  // namespace rcnn::tools
