#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace rcnn::io {

// The names that torch's and numpy's pickles have for LibTorch's element types.

/// "torch.FloatStorage"; none for a type without a name, or a name without a type here.
std::optional<at::ScalarType> type_of_storage(std::string_view name);
std::optional<std::string_view> storage_of_type(at::ScalarType type);

/// The bytes of an element, of those too that LibTorch has and nothing here reads; none for an unknown name.
std::optional<uint64_t> element_size_of_storage(std::string_view name);

/// "f4"; numpy has no bfloat16.
std::optional<at::ScalarType> type_of_numpy(std::string_view name);
std::optional<std::string_view> numpy_of_type(at::ScalarType type);

}  // namespace rcnn::io
