#include <filesystem>
#include <optional>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/result_ids.h>
#include <rcnn/error.h>

namespace rcnn::data {
namespace {

/// Ids of a data set by its own ids and by names; a name that is there twice decides nothing.
class Ids {
 public:
  void add(int64_t id, const std::string& name) {
    names_.emplace(id, name);
    const auto [entry, is_new] = by_name_.emplace(name, id);
    if (!is_new) entry->second = std::nullopt;
  }

  /// What is called `id` elsewhere, with this name there if it has one.
  std::optional<int64_t> find(int64_t id, const std::string& name) const {
    const auto same = names_.find(id);
    if (same != names_.end() && (name.empty() || same->second == name)) return id;
    const auto named = by_name_.find(name);
    return named == by_name_.end() ? std::nullopt : named->second;
  }

 private:
  std::unordered_map<int64_t, std::string> names_;
  std::unordered_map<std::string, std::optional<int64_t>> by_name_;
};

std::string name_of(const std::map<int64_t, std::string>& names, int64_t id) {
  const auto name = names.find(id);
  return name == names.end() ? "" : name->second;
}

std::string without_folders(const std::string& file) {
  return std::filesystem::path(file).filename().string();
}

}  // namespace

std::vector<CocoResult> with_ids_of(const CocoFile& file, std::vector<CocoResult> results,
                                    const CocoResultNames& names, const std::string& origin) {
  Ids images, categories;
  for (const auto& image : file.images) images.add(image.id, without_folders(image.file_name));
  for (const auto& category : file.categories) categories.add(category.id, category.name);
  std::vector<CocoResult> kept;
  kept.reserve(results.size());
  for (auto& result : results) {
    const auto name = without_folders(name_of(names.files, result.image_id));
    const auto image = images.find(result.image_id, name);
    if (!image) {
      throw DataError(
          fmt::format("{}: has results for image {}{}, which is not in the annotations; give those "
                      "of the same data set",
                      origin, result.image_id, name.empty() ? "" : " (" + name + ")"));
    }
    const auto category = categories.find(result.category_id, name_of(names.categories, result.category_id));
    if (!category) continue;
    result.image_id = *image;
    result.category_id = *category;
    kept.push_back(result);
  }
  return kept;
}

}  // namespace rcnn::data
