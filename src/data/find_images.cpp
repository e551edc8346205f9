#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/find_images.h>

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

bool has_image_ending(const fs::path& file) {
  static constexpr std::array<std::string_view, 7> endings = {".jpg", ".jpeg", ".png", ".bmp",
                                                              ".tif", ".tiff", ".webp"};
  auto ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(endings, ending) != endings.end();
}

}  // namespace

std::vector<fs::path> find_images(const std::vector<fs::path>& inputs) {
  std::vector<fs::path> images;
  for (const auto& input : inputs) {
    if (!fs::exists(input))
      throw DataError(fmt::format("{}: there is no such file or folder", input.string()));
    if (!fs::is_directory(input)) {
      images.push_back(input);
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(images.size());
    for (const auto& entry : fs::directory_iterator(input)) {
      if (entry.is_regular_file() && has_image_ending(entry.path())) images.push_back(entry.path());
    }
    std::sort(images.begin() + first, images.end());
  }
  if (images.empty()) {
    throw DataError(fmt::format("{}: no image there; name image files or folders that hold some",
                                inputs.empty() ? "" : inputs.front().string()));
  }
  return images;
}

}  // namespace rcnn::data
