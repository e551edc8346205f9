#include "data/formats/tables/csv_images.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>
#include <variant>

#include <spdlog/fmt/fmt.h>

#include "data/formats/slash_path.h"

namespace rcnn::data {

std::optional<std::string> TableImages::find(std::string_view name) const {
  if (!table_.images->has(name)) return std::nullopt;
  auto found = table_.images->find(name, table_.from);
  const auto is_of_another_part = [&](const std::string& file) {
    return std::ranges::any_of(table_.other_parts, [&](const std::string& part) {
      return fmt::format("/{}", file).find(fmt::format("/{}/", part)) != std::string::npos;
    });
  };
  if (found && (table_.other_parts.empty() || !is_of_another_part(*found))) return found;
  for (const auto& folder : table_.folders) {
    const auto path = folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
    auto there = table_.images->find(path, "");
    const auto wanted = std::filesystem::path(path).lexically_normal().generic_string();
    if (there && folder_of(*there) == folder_of(wanted)) return there;
  }
  return std::nullopt;
}

std::optional<size_t> TableImages::of(std::string_view name, int64_t line) {
  if (name != last_) {
    last_ = name;
    const auto known = places_.find(name);
    if (known != places_.end()) {
      last_place_ = known->second;
    } else if (limit_ != 0 && std::cmp_equal(builder_.size(), limit_)) {
      last_place_ = kTooMany;
    } else {
      last_place_ = kAbsent;
      if (const auto file = find(name)) {
        const auto [place, is_new] = files_.try_emplace(*file, builder_.size());
        last_place_ = is_new ? builder_.add_image(*file, "") : place->second;
      } else {
        absent_.push_back({.name = last_, .line = line});
      }
      places_.emplace(last_, last_place_);
    }
  }
  rows_of_absent_ += int{last_place_ == kAbsent};
  return last_place_ < kTooMany ? std::optional(last_place_) : std::nullopt;
}

void TableImages::tell_unnamed(Problems& problems) const {
  if (limit_ != 0) return;
  std::set<std::string_view> folders;
  for (const auto& [file, place] : files_) folders.insert(folder_of(file));
  for (const auto folder : folders) {
    const bool is_own = table_.other_parts.empty() || folder == table_.from;
    if (!is_own) continue;
    for (const auto& file : table_.images->in(folder)) {
      if (!files_.contains(file))
        problems.warn("left out: images that the table does not name",
                      fmt::format("{} ({})", file, table_.name));
    }
  }
}

void scale_by_sides(AnnotatedPart& part, int64_t max_megapixels) {
  part.headers = read_headers(part.content.images, part.images, max_megapixels);
  for (auto& annotation : part.content.annotations) {
    // An image that cannot be read takes its boxes with it.
    const auto* info = std::get_if<ImageInfo>(&part.headers[static_cast<size_t>(annotation.image_id) - 1]);
    if (info == nullptr) continue;
    const auto width = static_cast<double>(info->size.width), height = static_cast<double>(info->size.height);
    auto& [x, y, w, h] = annotation.box;
    x *= width, w *= width, y *= height, h *= height;
    annotation.area = w * h;
  }
}

}  // namespace rcnn::data
