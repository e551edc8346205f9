#include "data/formats/bring_image.h"

#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

namespace rcnn::data {

namespace fs = std::filesystem;

void bring(const fs::path& image, const fs::path& to, ImageFiles how) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error && how == ImageFiles::copy) fs::copy_file(image, to, error);
  if (!error && how == ImageFiles::link) {
    const auto target = fs::canonical(image, error);
    if (!error) fs::create_symlink(target, to, error);
  }
  if (error) throw DataError(fmt::format("{}: cannot be written: {}", to.string(), error.message()));
}

}  // namespace rcnn::data
