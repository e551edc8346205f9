#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace rcnn::io {

/// LibTorch's element types that weights have, and their names in the files.
struct ElementType {
  at::ScalarType type;
  std::string_view safetensors;  ///< "F32"
  std::string_view storage;      ///< torch's pickles: "torch.FloatStorage"
  std::string_view numpy;        ///< "f4"; empty for bfloat16, which numpy lacks
};

/// In the order in which safetensors' reference implementation lays tensors out: wide elements first keeps
/// all aligned.
inline constexpr ElementType kElementTypes[] = {
    {at::kLong, "I64", "torch.LongStorage", "i8"},        {at::kDouble, "F64", "torch.DoubleStorage", "f8"},
    {at::kFloat, "F32", "torch.FloatStorage", "f4"},      {at::kInt, "I32", "torch.IntStorage", "i4"},
    {at::kBFloat16, "BF16", "torch.BFloat16Storage", ""}, {at::kHalf, "F16", "torch.HalfStorage", "f2"},
    {at::kShort, "I16", "torch.ShortStorage", "i2"},      {at::kChar, "I8", "torch.CharStorage", "i1"},
    {at::kByte, "U8", "torch.ByteStorage", "u1"},         {at::kBool, "BOOL", "torch.BoolStorage", "b1"},
};

/// Which of a type's names: &ElementType::numpy.
using NameOfType = std::string_view ElementType::*;

/// None for a name without a type here.
std::optional<at::ScalarType> type_of(NameOfType which, std::string_view name);

/// None for a type without such a name.
std::optional<std::string_view> name_of(NameOfType which, at::ScalarType type);

/// The bytes of an element of a storage, of those too that LibTorch has and nothing here reads; none for an
/// unknown name.
std::optional<uint64_t> element_size_of_storage(std::string_view name);

}  // namespace rcnn::io
