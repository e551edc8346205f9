#include "io/element_types.h"

#include <array>
#include <utility>

namespace rcnn::io {
namespace {

using Named = std::pair<std::string_view, at::ScalarType>;

constexpr std::array<Named, 10> kStorages = {{{"torch.FloatStorage", at::kFloat},
                                              {"torch.DoubleStorage", at::kDouble},
                                              {"torch.HalfStorage", at::kHalf},
                                              {"torch.BFloat16Storage", at::kBFloat16},
                                              {"torch.LongStorage", at::kLong},
                                              {"torch.IntStorage", at::kInt},
                                              {"torch.ShortStorage", at::kShort},
                                              {"torch.CharStorage", at::kChar},
                                              {"torch.ByteStorage", at::kByte},
                                              {"torch.BoolStorage", at::kBool}}};

constexpr std::array<std::pair<std::string_view, uint64_t>, 7> kUnreadStorages = {
    {{"torch.ComplexFloatStorage", 8},
     {"torch.ComplexDoubleStorage", 16},
     {"torch.QInt8Storage", 1},
     {"torch.QUInt8Storage", 1},
     {"torch.QInt32Storage", 4},
     {"torch.storage.UntypedStorage", 1},
     {"torch.storage._UntypedStorage", 1}}};

constexpr std::array<Named, 9> kArrays = {{{"f4", at::kFloat},
                                           {"f8", at::kDouble},
                                           {"f2", at::kHalf},
                                           {"i8", at::kLong},
                                           {"i4", at::kInt},
                                           {"i2", at::kShort},
                                           {"i1", at::kChar},
                                           {"u1", at::kByte},
                                           {"b1", at::kBool}}};

template <size_t N>
std::optional<at::ScalarType> type_of(const std::array<Named, N>& names, std::string_view name) {
  for (const auto& [known, type] : names) {
    if (known == name) return type;
  }
  return std::nullopt;
}

template <size_t N>
std::optional<std::string_view> name_of(const std::array<Named, N>& names, at::ScalarType type) {
  for (const auto& [name, known] : names) {
    if (known == type) return name;
  }
  return std::nullopt;
}

}  // namespace

std::optional<at::ScalarType> type_of_storage(std::string_view name) {
  return type_of(kStorages, name);
}

std::optional<std::string_view> storage_of_type(at::ScalarType type) {
  return name_of(kStorages, type);
}

std::optional<uint64_t> element_size_of_storage(std::string_view name) {
  if (const auto type = type_of_storage(name)) return c10::elementSize(*type);
  for (const auto& [known, size] : kUnreadStorages) {
    if (known == name) return size;
  }
  return std::nullopt;
}

std::optional<at::ScalarType> type_of_numpy(std::string_view name) {
  return type_of(kArrays, name);
}

std::optional<std::string_view> numpy_of_type(at::ScalarType type) {
  return name_of(kArrays, type);
}

}  // namespace rcnn::io
