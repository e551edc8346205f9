#include "config/name_pattern.h"

#include <algorithm>
#include <set>

#include "config/suggestion.h"

namespace rcnn::config {

bool matches(std::string_view pattern, std::string_view name) {
  size_t at = 0, place = 0;
  size_t star = std::string_view::npos, taken = 0;  // the last * so far, and up to where it reaches
  while (place < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      taken = place;
    } else if (at < pattern.size() && pattern[at] == name[place]) {
      ++at;
      ++place;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      place = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool matches_any(std::string_view pattern, std::span<const std::string> names) {
  return std::ranges::any_of(names, [&](const auto& name) { return matches(pattern, name); });
}

bool any_matches(std::span<const std::string> patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](const auto& pattern) { return matches(pattern, name); });
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
