#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "io/pickle/pickle.h"

namespace rcnn::io::pickle {

// What a function that a pickle calls was given. All but the views of a value throw Refusal, which says
// `what` is wrong.

[[noreturn]] void wrong(const char* what);

void need_count(const Values& arguments, size_t least, size_t most);

template <class T>
const T& need(const Values& values, size_t i, const char* what) {
  const T* const found = i < values.size() ? get<T>(*values[i]) : nullptr;
  if (found == nullptr) wrong(what);
  return *found;
}

int64_t need_integer(const Values& values, size_t i, const char* what);
std::string_view need_text(const Values& values, size_t i, const char* what);

/// A tuple or a list of integers, at most 64.
std::vector<int64_t> need_sizes(const Values& values, size_t i);

/// Of bytes or a text: Python 2 has one type for both.
RCNN_EXPORT std::optional<std::string_view> bytes_of(const Value& value);

/// Of a tuple or a list; nullptr for others.
RCNN_EXPORT const Values* items_of(const Value& value);

}  // namespace rcnn::io::pickle
