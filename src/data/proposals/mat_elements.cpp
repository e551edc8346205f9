#include "data/proposals/mat_elements.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include <libdeflate.h>
#include <spdlog/fmt/fmt.h>

#include "io/refusal.h"

namespace rcnn::data {
namespace {

using io::Refusal;

constexpr size_t kMatHeader = 128;
constexpr size_t kMatUnit = 8;  // everything begins at a multiple of so many bytes

// The types of elements, and the classes of arrays, in the format's numbers.
enum Type : uint32_t {
  kInt8 = 1,
  kUint8 = 2,
  kInt16 = 3,
  kUint16 = 4,
  kInt32 = 5,
  kUint32 = 6,
  kSingle = 7,
  kDouble = 9,
  kInt64 = 12,
  kUint64 = 13,
  kMatrix = 14,
  kCompressed = 15,
  kUtf8 = 16,
  kUtf16 = 17
};
enum ArrayClass : uint32_t { kCellArray = 1, kCharArray = 4, kFirstOfNumbers = 6, kLastOfNumbers = 15 };
constexpr uint32_t kComplexFlag = 0x800;

[[noreturn]] void damaged_mat(const char* why) {
  throw Refusal(fmt::format("is a damaged .mat file: {}", why));
}

uint32_t word(std::string_view bytes, size_t position) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + position, sizeof value);
  return value;
}

struct Element {
  uint32_t type = 0;
  std::string_view data;
};

/// Takes the element that `rest` begins with.
Element take_element(std::string_view& rest) {
  if (rest.size() < kMatUnit) damaged_mat("it ends within an element");
  const uint32_t first = word(rest, 0);
  if (const uint32_t small = first >> 16; small != 0) {  // up to four bytes within the tag
    if (small > 4) damaged_mat("a small element has more than four bytes");
    const Element element{.type = first & 0xffff, .data = rest.substr(4, small)};
    rest.remove_prefix(kMatUnit);
    return element;
  }
  const size_t size = word(rest, 4);
  if (size > rest.size() - kMatUnit)
    damaged_mat("an element is longer than what is left: it may be cut short");
  const Element element{.type = first, .data = rest.substr(kMatUnit, size)};
  const size_t padded = first == kCompressed ? size : (size + kMatUnit - 1) / kMatUnit * kMatUnit;
  rest.remove_prefix(std::min(rest.size(), kMatUnit + padded));
  return element;
}

/// The bytes of one number or character; 0 for other types.
size_t value_size(uint32_t type) {
  switch (type) {
    case kInt8:
    case kUint8:
    case kUtf8:
      return 1;
    case kInt16:
    case kUint16:
    case kUtf16:
      return 2;
    case kInt32:
    case kUint32:
    case kSingle:
      return 4;
    case kDouble:
    case kInt64:
    case kUint64:
      return 8;
    default:
      return 0;
  }
}

/// What every array begins with.
struct ArrayHead {
  uint32_t array_class = 0;
  std::string_view name;
  uint64_t elements = 0;
};

ArrayHead take_array_head(std::string_view& rest) {
  const auto flags = take_element(rest);
  if (flags.type != kUint32 || flags.data.size() != 8) damaged_mat("an array has no flags");
  const uint32_t bits = word(flags.data, 0);
  const auto dimensions = take_element(rest);
  if (dimensions.type != kInt32 || dimensions.data.size() < 8 || dimensions.data.size() % 4 != 0)
    damaged_mat("an array has no dimensions");
  const auto name = take_element(rest);
  if (name.type != kInt8) damaged_mat("an array has no name");
  ArrayHead head{.array_class = bits & 0xff, .name = name.data, .elements = 1};
  for (size_t at = 0; at < dimensions.data.size(); at += 4) {
    const auto size = static_cast<int32_t>(word(dimensions.data, at));
    if (size < 0) damaged_mat("an array has a negative dimension");
    if (__builtin_mul_overflow(head.elements, static_cast<uint64_t>(size), &head.elements))
      damaged_mat("an array is larger than any file");
  }
  if ((bits & kComplexFlag) != 0) throw Refusal("has complex numbers in its cell arrays");
  if (dimensions.data.size() != 8) throw Refusal("has arrays of more than two dimensions in its cell arrays");
  return head;
}

/// An array of numbers or a text.
void check_leaf(std::string_view content) {
  if (content.empty()) return;  // as MATLAB has a cell that was never set
  const auto head = take_array_head(content);
  const bool is_text = head.array_class == kCharArray;
  if (!is_text && (head.array_class < kFirstOfNumbers || head.array_class > kLastOfNumbers))
    throw Refusal("has cells that are neither matrices of numbers nor texts");
  if (head.elements == 0 && content.empty()) return;
  const auto values = take_element(content);
  const size_t size = value_size(values.type);
  const bool is_character =
      values.type == kUint8 || values.type == kUint16 || values.type == kUtf8 || values.type == kUtf16;
  if (size == 0 || (is_text ? !is_character : values.type >= kUtf8))
    damaged_mat("an array is of an unknown type");
  if (values.data.size() % size != 0 || values.data.size() / size != head.elements)
    damaged_mat("an array's data are not of its size (or a text has other letters than ASCII's)");
  if (!content.empty()) damaged_mat("something follows an array's data");
}

void check_variable(std::string_view element) {
  auto rest = element;
  auto content = take_element(rest).data;
  const auto head = take_array_head(content);
  if (head.array_class != kCellArray) {
    throw Refusal(fmt::format(
        "has a variable {} that is no cell array with a matrix for each image, as proposals of a whole data "
        "set are",
        io::excerpt(head.name)));
  }
  if (head.elements > content.size() / kMatUnit) damaged_mat("a cell array has more cells than bytes");
  for (uint64_t i = 0; i < head.elements; ++i) {
    const auto cell = take_element(content);
    if (cell.type != kMatrix) damaged_mat("a cell is no array");
    check_leaf(cell.data);
  }
  if (!content.empty()) damaged_mat("something follows the last cell");
}

/// Of the array that an element is, the name; nothing for what is no array.
std::optional<std::string_view> variable_name(std::string_view element) {
  const auto array = take_element(element);
  if (array.type != kMatrix) return std::nullopt;
  auto content = array.data;
  take_element(content);
  take_element(content);
  const auto name = take_element(content);
  return name.type == kInt8 ? std::optional(name.data) : std::nullopt;
}

/// What a compressed element is, all of it.
std::string inflate_variable(std::string_view compressed) {
  // More than this no matrices of boxes shrink, and no damaged file may ask for.
  constexpr size_t kLeast = size_t{1} << 25, kMostTimes = 256;
  const size_t most = std::max(kLeast, compressed.size() * kMostTimes);
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (decompressor == nullptr) throw std::bad_alloc();
  std::string inflated;
  for (size_t room = std::min(most, std::max<size_t>(4096, 8 * compressed.size()));;
       room = std::min(most, 4 * room)) {
    inflated.resize(room);
    size_t size = 0;
    const auto result = libdeflate_zlib_decompress(decompressor.get(), compressed.data(), compressed.size(),
                                                   inflated.data(), room, &size);
    if (result == LIBDEFLATE_SUCCESS) {
      inflated.resize(size);
      return inflated;
    }
    if (result != LIBDEFLATE_INSUFFICIENT_SPACE) damaged_mat("a variable cannot be decompressed");
    if (room == most)
      throw Refusal(
          "has a variable that is compressed to less than a 256th; save it with -v6 (uncompressed)");
  }
}

/// HDF5's first bytes, which may come after bytes of somebody else's.
bool is_hdf5(std::string_view file) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
  if (file.starts_with("MATLAB 7.3")) return true;
  for (size_t at = 0; at < file.size() && at <= 4096; at = at == 0 ? 512 : 2 * at) {
    if (file.substr(at).starts_with(kSignature)) return true;
  }
  return false;
}

/// Of level 5 the header says the version and the order of bytes.
bool has_level_5_end(std::string_view file) {
  const auto end = file.substr(std::min<size_t>(file.size(), 124), 4);
  return end == std::string_view("\0\1IM", 4) || end == std::string_view("\1\0MI", 4);
}

/// A matrix of level 4, which has no magic number: five numbers, the name, ended by a zero, and the data.
bool is_level_4(std::string_view file) {
  constexpr size_t kHead = 20, kLongest = 64;
  if (file.size() < kHead + 2) return false;
  for (const bool swapped : {false, true}) {
    const auto number = [&](size_t i) {
      const uint32_t value = word(file, 4 * i);
      return swapped ? __builtin_bswap32(value) : value;
    };
    const uint32_t type = number(0), name_size = number(4);
    // Thousands: the order of bytes; hundreds are zero; tens: the type of numbers; ones: full, text, sparse.
    if (type / 1000 != (swapped ? 1 : 0) || type / 100 % 10 != 0 || type / 10 % 10 > 5 || type % 10 > 2)
      continue;
    if (number(3) > 1 || name_size < 2 || name_size > kLongest || kHead + name_size > file.size()) continue;
    const auto name = file.substr(kHead, name_size - 1);
    const bool is_name = std::ranges::all_of(name, [](char c) {
      return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    });
    if (is_name && file[kHead + name_size - 1] == '\0') return true;
  }
  return false;
}

void check_level(std::string_view file) {
  constexpr std::string_view kOtherLevel =
      "; save the variables with -v7 or -v6 in MATLAB, or with scipy.io.savemat";
  if (is_hdf5(file))
    throw Refusal(
        fmt::format("is an HDF5 file, as .mat files of level 7.3 are, which is not read{}", kOtherLevel));
  if (is_level_4(file))
    throw Refusal(fmt::format("is a .mat file of level 4, which has no cell arrays{}", kOtherLevel));
  if (file.size() < kMatHeader) damaged_mat("it is shorter than its header");
  if (file.substr(126, 2) == "MI")
    throw Refusal(fmt::format("is a big-endian .mat file, which is not read{}", kOtherLevel));
  if (!has_level_5_end(file)) throw Refusal(fmt::format("is no .mat file of level 5{}", kOtherLevel));
}

}  // namespace

bool is_mat_file(std::string_view file) {
  return file.starts_with("MATLAB ") || has_level_5_end(file) || is_hdf5(file) || is_level_4(file);
}

std::vector<MatVariable> checked_variables(std::string_view file, std::span<const std::string_view> names) {
  check_level(file);
  std::vector<MatVariable> found(names.size());
  for (auto rest = file.substr(kMatHeader); !rest.empty();) {
    const auto begin = rest;
    const auto element = take_element(rest);
    MatVariable variable{.element = begin.substr(0, begin.size() - rest.size())};
    if (element.type == kCompressed) {
      variable.inflated = inflate_variable(element.data);
      variable.element = variable.inflated;
    }
    const auto name = variable_name(variable.element);
    const auto place = name ? std::ranges::find(names, *name) : names.end();
    if (place == names.end()) continue;
    auto& taken = found[static_cast<size_t>(place - names.begin())];
    if (!taken.element.empty()) continue;
    check_variable(variable.element);
    taken = std::move(variable);
    if (!taken.inflated.empty()) taken.element = taken.inflated;  // a short text moves with its string
  }
  std::erase_if(found, [](const MatVariable& variable) { return variable.element.empty(); });
  return found;
}

}  // namespace rcnn::data
