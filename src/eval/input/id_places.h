#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "eval/require.h"

namespace rcnn::eval {

/// The places of entries with ids in their list. Asking for one id again and again, as lists that are sorted
/// by image do, is free.
class IdPlaces {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// Returns false for an id that is there already.
  bool add(int64_t id) { return places_.emplace(id, static_cast<uint32_t>(places_.size())).second; }

  size_t size() const { return places_.size(); }

  uint32_t of(int64_t id) const {
    if (id != last_ || last_place_ == kNone) {
      const auto found = places_.find(id);
      last_ = id;
      last_place_ = found == places_.end() ? kNone : found->second;
    }
    return last_place_;
  }

 private:
  std::unordered_map<int64_t, uint32_t> places_;
  mutable int64_t last_ = 0;
  mutable uint32_t last_place_ = kNone;
};

/// Of categories. Throws std::invalid_argument unless they ascend without repetition.
inline IdPlaces category_places(std::span<const int64_t> category_ids) {
  IdPlaces places;
  for (size_t i = 0; i < category_ids.size(); ++i) {
    require(i == 0 || category_ids[i - 1] < category_ids[i], "category_ids must ascend");
    places.add(category_ids[i]);
  }
  return places;
}

}  // namespace rcnn::eval
