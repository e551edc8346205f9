#include "data/proposals/numpy_values.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include <c10/util/Half.h>
#include <spdlog/fmt/ranges.h>

#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

using io::Refusal;
using io::pickle::Array;

struct ElementKind {
  char kind = '\0';  ///< numpy's letter: f, i, u, U (str), S (bytes)
  uint64_t count = 0;
  bool big_endian = false;
};

/// Of "f4", "<U12".
ElementKind element_kind(const Array& array) {
  if (array.type == nullptr) throw Refusal("a numpy array has no content");
  std::string_view name = array.type->name;
  ElementKind type{.big_endian = array.type->big_endian};
  if (!name.empty() && std::string_view("<>=|").find(name[0]) != std::string_view::npos) {
    type.big_endian = name[0] == '>';
    name.remove_prefix(1);
  }
  if (name.starts_with('O')) {
    throw Refusal("a numpy array holds objects of Python; save a list of arrays (array.tolist()) instead");
  }
  if (!name.empty()) {
    const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), type.count);
    if (error == std::errc() && end == name.data() + name.size()) type.kind = name[0];
  }
  if (type.kind == '\0') throw Refusal(fmt::format("numpy dtype {} is not supported", io::excerpt(name)));
  return type;
}

/// The elements; throws where the data are not of so many of these bytes.
size_t count_elements(const Array& array, uint64_t element_size) {
  uint64_t count = 1, bytes = 0;
  bool fits = true;
  for (const int64_t size : array.shape)
    fits = fits && size >= 0 && !__builtin_mul_overflow(count, static_cast<uint64_t>(size), &count);
  fits = fits && !__builtin_mul_overflow(count, element_size, &bytes) && bytes == array.data.size();
  if (!fits) {
    throw Refusal(fmt::format("{} bytes of data do not make a numpy array of shape [{}]", array.data.size(),
                              fmt::join(array.shape, ", ")));
  }
  return count;
}

template <class Number>
void read(std::string_view data, bool swap, std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    char bytes[sizeof(Number)];
    std::memcpy(bytes, data.data() + i * sizeof bytes, sizeof bytes);
    if (swap) std::reverse(bytes, bytes + sizeof bytes);
    Number number;
    std::memcpy(&number, bytes, sizeof bytes);
    values[i] = static_cast<double>(number);
  }
}

using Read = void (*)(std::string_view, bool, std::vector<double>&);

Read reader_of(const ElementKind& type) {
  switch (type.kind << 8 | static_cast<int>(std::min<uint64_t>(type.count, 255))) {
    case 'f' << 8 | 2:
      return read<c10::Half>;
    case 'f' << 8 | 4:
      return read<float>;
    case 'f' << 8 | 8:
      return read<double>;
    case 'i' << 8 | 1:
      return read<int8_t>;
    case 'i' << 8 | 2:
      return read<int16_t>;
    case 'i' << 8 | 4:
      return read<int32_t>;
    case 'i' << 8 | 8:
      return read<int64_t>;
    case 'u' << 8 | 1:
      return read<uint8_t>;
    case 'u' << 8 | 2:
      return read<uint16_t>;
    case 'u' << 8 | 4:
      return read<uint32_t>;
    case 'u' << 8 | 8:
      return read<uint64_t>;
    default:
      return nullptr;
  }
}

/// Of a matrix that lies column by column, its rows.
void transpose(NumpyNumbers& numbers) {
  const auto rows = static_cast<size_t>(numbers.shape[1]), columns = static_cast<size_t>(numbers.shape[0]);
  std::vector<double> turned(numbers.values.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) turned[r * columns + c] = numbers.values[c * rows + r];
  }
  std::swap(numbers.shape[0], numbers.shape[1]);
  numbers.values = std::move(turned);
}

/// UTF-8 of what numpy keeps a str in: UTF-32, filled up with zeros.
std::string text_of_utf32(std::string_view data, bool swap) {
  std::string text;
  for (size_t i = 0; i + 4 <= data.size(); i += 4) {
    char bytes[4];
    std::memcpy(bytes, data.data() + i, sizeof bytes);
    if (swap) std::reverse(bytes, bytes + sizeof bytes);
    uint32_t code_point = 0;
    std::memcpy(&code_point, bytes, sizeof bytes);
    if (code_point > 0x10ffff) throw Refusal("a numpy str is damaged");
    if (code_point != 0) append_utf8(text, code_point);
  }
  return text;
}

}  // namespace

NumpyNumbers numpy_numbers(const Array& array) {
  const auto type = element_kind(array);
  const auto read = reader_of(type);
  if (read == nullptr)
    throw Refusal(fmt::format("numpy dtype {} is not supported", io::excerpt(array.type->name)));
  NumpyNumbers numbers{.shape = array.shape,
                       .values = std::vector<double>(count_elements(array, type.count))};
  read(array.data, type.big_endian, numbers.values);
  const auto in_order = [&] { return std::ranges::is_sorted(array.axes); };
  if (array.axes.empty() || in_order() || array.shape.size() < 2) return numbers;
  if (array.axes != std::vector<int64_t>{1, 0} || array.shape.size() != 2)
    throw Refusal("the axes of a numpy array are in an order that is no matrix's");
  transpose(numbers);
  return numbers;
}

std::vector<std::string> numpy_texts(const Array& array) {
  if (array.shape.size() > 1) throw Refusal("a numpy array of ids has more than one axis");
  const auto type = element_kind(array);
  std::vector<std::string> texts;
  if (type.kind == 'i' || type.kind == 'u') {
    for (const double value : numpy_numbers(array).values) {
      constexpr double kExact = 9007199254740992;  // 2^53
      if (value < -kExact || value > kExact) throw Refusal("an id is beyond 2^53");
      texts.push_back(std::to_string(static_cast<int64_t>(value)));
    }
    return texts;
  }
  if ((type.kind != 'U' && type.kind != 'S') || type.count > array.data.size())
    throw Refusal(fmt::format("ids of numpy dtype {} are not supported", io::excerpt(array.type->name)));
  const uint64_t size = type.kind == 'U' ? 4 * type.count : type.count;
  const size_t count = count_elements(array, size);
  for (size_t i = 0; size > 0 && i < count; ++i) {
    auto data = array.data.substr(i * size, size);
    if (type.kind == 'U') {
      texts.push_back(text_of_utf32(data, type.big_endian));
    } else {
      texts.emplace_back(data.substr(0, data.find_last_not_of('\0') + 1));
    }
  }
  return texts;
}

}  // namespace rcnn::data
