#include "eval/input/path_index.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace rcnn::eval {

std::vector<std::string_view> path_parts(std::string_view path) {
  std::vector<std::string_view> parts;
  size_t leaving = 0;  // so many folders are left again by ".."
  while (!path.empty()) {
    const size_t slash = path.find_last_of("/\\");
    const auto part = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
    path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
    if (part == "..") {
      ++leaving;
    } else if (!part.empty() && part != ".") {
      if (leaving > 0) {
        --leaving;
      } else {
        parts.push_back(part);
      }
    }
  }
  return parts;
}

PathIndex::PathIndex(std::span<const std::string_view> paths) : order_(paths.size()), ranks_(paths.size()) {
  for (const auto path : paths) parts_.push_back(path_parts(path));
  std::iota(order_.begin(), order_.end(), 0u);
  std::ranges::sort(order_,
                    [&](uint32_t a, uint32_t b) { return std::tie(parts_[a], a) < std::tie(parts_[b], b); });
  for (uint32_t rank = 0; rank < order_.size(); ++rank) ranks_[order_[rank]] = rank;
}

PathIndex::Found PathIndex::find(std::string_view path) const {
  const auto asked = path_parts(path);
  std::span<const uint32_t> found = order_;
  size_t equal = 0;
  while (equal < asked.size()) {
    // Those found agree so far, and are sorted by what follows; nothing comes first.
    const auto next = std::ranges::equal_range(found, asked[equal], {}, [&](uint32_t place) {
      return equal < parts_[place].size() ? parts_[place][equal] : std::string_view();
    });
    if (next.empty()) break;
    found = {next.begin(), next.end()};
    ++equal;
  }
  if (equal == 0) return {};
  const auto whole =
      std::ranges::find_if(found, [&](uint32_t place) { return parts_[place].size() > equal; });
  if (whole != found.begin()) found = {found.begin(), whole};
  return {.places = found, .folders_differ = asked.size() > equal && parts_[found.front()].size() > equal};
}

bool PathIndex::has(const Found& found, uint32_t place) const {
  if (found.places.empty()) return false;
  const auto first = static_cast<size_t>(found.places.data() - order_.data());
  return ranks_[place] >= first && ranks_[place] < first + found.places.size();
}

}  // namespace rcnn::eval
