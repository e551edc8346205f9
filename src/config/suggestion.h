#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

namespace rcnn::config {

/// Levenshtein's distance.
inline size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// "; did you mean X?" when a known name is close, at most a third of the letters wrong; empty otherwise.
template <class Names>
std::string suggestion(std::string_view wrong, const Names& known) {
  std::string_view nearest;
  size_t least = (wrong.size() + 1) / 3 + 1;
  for (std::string_view name : known) {
    if (const size_t d = distance(wrong, name); d < least) {
      least = d;
      nearest = name;
    }
  }
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

}  // namespace rcnn::config
