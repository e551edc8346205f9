#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <system_error>

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
    std::error_code error;
    const auto status = fs::status(input, error);
    if (!fs::exists(status)) throw DataError(fmt::format("{}: {}", input.string(), error.message()));
    if (!fs::is_directory(status)) {
      images.push_back(input);
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(images.size());
    std::error_code ignored;  // a link that leads nowhere is no file
    for (const auto& entry : fs::directory_iterator(input, error)) {
      if (entry.is_regular_file(ignored) && has_image_ending(entry.path())) images.push_back(entry.path());
    }
    if (error) throw DataError(fmt::format("{}: cannot be listed: {}", input.string(), error.message()));
    std::sort(images.begin() + first, images.end());
  }
  if (images.empty()) {
    throw DataError(fmt::format("{}: no image there; name image files or folders that hold some",
                                inputs.empty() ? "" : inputs.front().string()));
  }
  return images;
}

}  // namespace rcnn::data
