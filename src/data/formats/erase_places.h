#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace rcnn::data {

/// Erases the places for which which(place) is true from a list, and from what goes with its entries, one
/// each or none at all. Nothing is moved before which() was asked for it.
template <class Entry, class With, class Which>
void erase_places(std::vector<Entry>& entries, std::vector<With>& with, Which which) {
  size_t kept = 0;
  for (size_t place = 0; place < entries.size(); ++place) {
    if (which(place)) continue;
    if (kept != place) {
      entries[kept] = std::move(entries[place]);
      if (!with.empty()) with[kept] = std::move(with[place]);
    }
    ++kept;
  }
  entries.resize(kept);
  if (!with.empty()) with.resize(kept);
}

}  // namespace rcnn::data
