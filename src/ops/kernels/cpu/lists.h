#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

namespace rcnn::ops::kernels::cpu {

/// Numbered lists of items, each in the order of adding.
class Lists {
 public:
  /// add(put) calls put(list, item) for every item, and is called twice.
  template <class Add>
  Lists(int64_t count, Add add) : begins_(count + 1) {
    add([&](int64_t list, int64_t) { ++begins_[list + 1]; });
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    items_.resize(begins_.back());
    std::vector<int64_t> next(begins_.begin(), begins_.end() - 1);
    add([&](int64_t list, int64_t item) { items_[next[list]++] = item; });
  }

  int64_t count() const { return static_cast<int64_t>(begins_.size()) - 1; }
  /// All lists, one after the other.
  const std::vector<int64_t>& items() const { return items_; }
  auto begin(int64_t list) const { return items_.begin() + begins_[list]; }
  auto end(int64_t list) const { return items_.begin() + begins_[list + 1]; }

 private:
  std::vector<int64_t> begins_, items_;
};

}  // namespace rcnn::ops::kernels::cpu
