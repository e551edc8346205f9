#include "io/element_types.h"

#include <utility>

namespace rcnn::io {

std::optional<at::ScalarType> type_of(NameOfType which, std::string_view name) {
  for (const auto& known : kElementTypes) {
    if (!name.empty() && known.*which == name) return known.type;
  }
  return std::nullopt;
}

std::optional<std::string_view> name_of(NameOfType which, at::ScalarType type) {
  for (const auto& known : kElementTypes) {
    if (known.type == type && !(known.*which).empty()) return known.*which;
  }
  return std::nullopt;
}

std::optional<uint64_t> element_size_of_storage(std::string_view name) {
  constexpr std::pair<std::string_view, uint64_t> kUnread[] = {
      {"torch.ComplexFloatStorage", 8},    {"torch.ComplexDoubleStorage", 16},
      {"torch.QInt8Storage", 1},           {"torch.QUInt8Storage", 1},
      {"torch.QInt32Storage", 4},          {"torch.storage.UntypedStorage", 1},
      {"torch.storage._UntypedStorage", 1}};
  if (const auto type = type_of(&ElementType::storage, name)) return c10::elementSize(*type);
  for (const auto& [known, size] : kUnread) {
    if (known == name) return size;
  }
  return std::nullopt;
}

}  // namespace rcnn::io
