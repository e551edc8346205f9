#include "data/formats/coco/coco_classes.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

namespace rcnn::data {
namespace {

class ClassChooser {
 public:
  ClassChooser(CocoFile& file, const std::vector<std::string>& supercategories, bool unique_names,
               Problems& problems)
      : file_(file),
        supercategories_(supercategories),
        unique_names_(unique_names),
        problems_(problems),
        left_out_(file.categories.size()) {
    for (size_t i = 0; i < file.categories.size(); ++i) by_name_[file.categories[i].name].push_back(i);
  }

  void choose() {
    const auto groups = find_groups();
    const bool shared =
        std::ranges::any_of(by_name_, [](const auto& named) { return named.second.size() > 1; });
    if (!shared && std::ranges::find(groups, true) == groups.end()) return;
    for (const auto& annotation : file_.annotations) used_.insert(annotation.category_id);
    for (size_t i = 0; i < groups.size(); ++i) {
      if (groups[i] && !has_objects(i))
        leave_out(i, "a category that groups others and has no object is no class");
    }
    for (auto& [name, places] : by_name_) name_once(places);
    erase();
  }

 private:
  bool has_objects(size_t place) const { return used_.contains(file_.categories[place].id); }

  void leave_out(size_t place, const char* why) {
    const auto& category = file_.categories[place];
    problems_.warn(why, fmt::format("{} (id {})", category.name, category.id));
    left_out_[place] = true;
  }

  /// Whether each is another's supercategory, or Roboflow's root.
  std::vector<bool> find_groups() const {
    constexpr const char* kNone = "none";
    std::vector<bool> groups(supercategories_.size());
    for (size_t child = 0; child < supercategories_.size(); ++child) {
      const auto& name = supercategories_[child];
      const auto parents = by_name_.find(name);
      if (name.empty() || parents == by_name_.end()) continue;
      std::vector<size_t> others;
      std::ranges::copy_if(parents->second, std::back_inserter(others),
                           [&](size_t place) { return place != child; });
      // A group with the name of a class in it: the class is the one that has this name above itself.
      const auto is_root = [&](size_t place) { return supercategories_[place] != name; };
      const bool has_root = std::ranges::any_of(parents->second, is_root);
      for (const size_t place : others) {
        if (is_root(place) || !has_root) groups[place] = true;
      }
    }
    if (std::ranges::count(supercategories_, kNone) == 1 && supercategories_.size() > 1) {
      const auto root = std::ranges::find(supercategories_, kNone) - supercategories_.begin();
      if (file_.categories[root].id == 0) groups[root] = true;
    }
    return groups;
  }

  /// Of the categories of one name.
  void name_once(std::vector<size_t>& places) {
    std::erase_if(places, [&](size_t place) { return left_out_[place]; });
    if (places.size() < 2) return;
    std::stable_partition(places.begin(), places.end(), [&](size_t place) { return has_objects(place); });
    const auto& first = file_.categories[places.front()];
    for (const size_t place : places) {
      if (place == places.front()) continue;
      const auto& category = file_.categories[place];
      if (!has_objects(place)) {
        leave_out(place, "a category without objects has the name of another, and is left out");
        continue;
      }
      if (!unique_names_) continue;
      problems_.error("two categories have the same name",
                      fmt::format("{} ({} and {})", category.name, first.id, category.id));
      left_out_[place] = true;
      for (auto& annotation : file_.annotations) {  // so that nobody misses it once more
        if (annotation.category_id == category.id) annotation.category_id = first.id;
      }
    }
  }

  void erase() {
    std::vector<Category> categories;
    std::vector<JsonFields> fields;
    for (size_t i = 0; i < file_.categories.size(); ++i) {
      if (left_out_[i]) continue;
      categories.push_back(std::move(file_.categories[i]));
      if (!file_.category_fields.empty()) fields.push_back(std::move(file_.category_fields[i]));
    }
    file_.categories = std::move(categories);
    file_.category_fields = std::move(fields);
  }

  CocoFile& file_;
  const std::vector<std::string>& supercategories_;
  const bool unique_names_;
  Problems& problems_;
  std::map<std::string, std::vector<size_t>> by_name_;
  std::unordered_set<int64_t> used_;
  std::vector<bool> left_out_;
};

}  // namespace

void choose_classes(CocoFile& file, const std::vector<std::string>& supercategories, bool unique_names,
                    Problems& problems) {
  ClassChooser(file, supercategories, unique_names, problems).choose();
}

}  // namespace rcnn::data
