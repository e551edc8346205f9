#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <spdlog/fmt/ranges.h>

namespace rcnn::eval {

/// How often what occurs, for messages.
template <class Key>
class Occurrences {
 public:
  void add(const Key& key) {
    ++counts_[key];
    ++total_;
  }
  int64_t total() const { return total_; }
  bool empty() const { return counts_.empty(); }

  /// The most frequent ones by name(key), how often, and how many others there are: "cat (7), dog (2)".
  template <class Name>
  std::string text(Name name) const {
    constexpr size_t kNamed = 5;
    std::vector<std::pair<Key, int64_t>> order(counts_.begin(), counts_.end());
    std::ranges::stable_sort(order, std::greater<>(), [](const auto& entry) { return entry.second; });
    std::vector<std::string> named;
    for (size_t i = 0; i < std::min(kNamed, order.size()); ++i)
      named.push_back(fmt::format("{} ({})", name(order[i].first), order[i].second));
    return fmt::format("{}{}", fmt::join(named, ", "),
                       order.size() > kNamed ? fmt::format(" and {} more", order.size() - kNamed) : "");
  }

 private:
  std::map<Key, int64_t> counts_;
  int64_t total_ = 0;
};

}  // namespace rcnn::eval
