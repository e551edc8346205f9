#include "config/name_pattern.h"

#include <set>

#include "config/suggestion.h"

namespace rcnn::config {

bool matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const auto rest = pattern.substr(star + 1);
  for (size_t begin = star; begin <= name.size(); ++begin) {
    if (matches(rest, name.substr(begin))) return true;
  }
  return false;
}

std::string nearest_pattern(std::string_view pattern, const std::vector<std::string>& names) {
  std::set<std::string> candidates(names.begin(), names.end());
  for (const auto& name : names) {
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      candidates.insert(name.substr(0, dot) + ".*");
  }
  return suggestion(pattern, candidates);
}

}  // namespace rcnn::config
