#pragma once

#include <cstring>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

namespace rcnn::data {

/// Numbers as they lie in memory: for what this machine alone reads again.
template <class Item>
nlohmann::json to_binary(const std::vector<Item>& items) {
  static_assert(std::is_trivially_copyable_v<Item>);
  std::vector<uint8_t> bytes(items.size() * sizeof(Item));
  if (!items.empty()) std::memcpy(bytes.data(), items.data(), bytes.size());
  return nlohmann::json::binary(std::move(bytes));
}

template <class Item>
std::vector<Item> from_binary(const nlohmann::json& binary) {
  const auto& bytes = binary.get_binary();
  std::vector<Item> items(bytes.size() / sizeof(Item));
  if (!items.empty())
    std::memcpy(static_cast<void*>(items.data()), bytes.data(), items.size() * sizeof(Item));
  return items;
}

}  // namespace rcnn::data
