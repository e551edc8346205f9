#include "data/proposals/mat_proposals.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <matio.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/images/image_ending.h"
#include "data/proposals/mat_elements.h"
#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

using io::Refusal;

constexpr std::array<std::string_view, 2> kVariables = {"boxes", "images"};

/// A file in memory, for a library that reads and writes files by their names.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("proposals.mat", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail();
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string name() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

  void add(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }

  void give(const std::function<void(std::string_view)>& see) const {
    std::vector<char> piece(size_t{1} << 20);
    for (off_t at = 0;;) {
      const ssize_t count = pread(descriptor_, piece.data(), piece.size(), at);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      if (count == 0) return;
      see({piece.data(), static_cast<size_t>(count)});
      at += count;
    }
  }

 private:
  [[noreturn]] static void fail() {
    throw Refusal(fmt::format("no file can be kept in memory: {}", std::generic_category().message(errno)));
  }

  int descriptor_;
};

struct FreeMat {
  void operator()(mat_t* file) const { Mat_Close(file); }
  void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
};
using MatFile = std::unique_ptr<mat_t, FreeMat>;
using MatVar = std::unique_ptr<matvar_t, FreeMat>;

// What MatIO has read.

struct Cells {
  MatVar variable;
  size_t count = 0;

  const matvar_t* operator[](size_t i) const { return static_cast<matvar_t* const*>(variable->data)[i]; }
};

/// Without a variable where the file has none of this name.
Cells read_cells(mat_t* file, const char* name) {
  Cells cells{.variable = MatVar(Mat_VarRead(file, name))};
  if (cells.variable == nullptr) return cells;
  if (cells.variable->class_type != MAT_C_CELL || cells.variable->rank != 2)
    throw Refusal(fmt::format("has a variable {} that is no cell array", name));
  cells.count = cells.variable->dims[0] * cells.variable->dims[1];
  if (cells.count > 0 && cells.variable->data == nullptr)
    throw Refusal(fmt::format("is a .mat file whose {} cannot be read", name));
  return cells;
}

bool is_empty_cell(const matvar_t* cell) {
  if (cell == nullptr || cell->class_type == MAT_C_EMPTY || cell->dims == nullptr) return true;
  return cell->rank == 2 && (cell->dims[0] == 0 || cell->dims[1] == 0);
}

template <class Number>
std::vector<Box> boxes_of_cell(const matvar_t& cell) {
  const size_t count = cell.dims[0];
  const auto* const numbers = static_cast<const Number*>(cell.data);
  std::vector<Box> boxes;
  boxes.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const auto column = [&](size_t c) { return static_cast<double>(numbers[c * count + i]); };
    boxes.push_back({.x1 = static_cast<float>(column(1) - 1),
                     .y1 = static_cast<float>(column(0) - 1),
                     .x2 = static_cast<float>(column(3)),
                     .y2 = static_cast<float>(column(2))});
  }
  return boxes;
}

std::vector<Box> read_boxes(const matvar_t* cell, size_t place, Problems& problems) {
  if (is_empty_cell(cell)) return {};
  const auto wrong = [&](std::string_view detail) {
    problems.error("boxes that are no matrix [P, 4]", fmt::format("boxes{{{}}} ({})", place + 1, detail));
    return std::vector<Box>();
  };
  if (cell->rank != 2 || cell->dims[1] != 4)
    return wrong(fmt::format("it is [{}, {}]", cell->dims[0], cell->dims[1]));
  if (cell->data == nullptr) return wrong("it cannot be read");
  switch (cell->class_type) {
    case MAT_C_DOUBLE:
      return boxes_of_cell<double>(*cell);
    case MAT_C_SINGLE:
      return boxes_of_cell<float>(*cell);
    case MAT_C_INT8:
      return boxes_of_cell<int8_t>(*cell);
    case MAT_C_UINT8:
      return boxes_of_cell<uint8_t>(*cell);
    case MAT_C_INT16:
      return boxes_of_cell<int16_t>(*cell);
    case MAT_C_UINT16:
      return boxes_of_cell<uint16_t>(*cell);
    case MAT_C_INT32:
      return boxes_of_cell<int32_t>(*cell);
    case MAT_C_UINT32:
      return boxes_of_cell<uint32_t>(*cell);
    case MAT_C_INT64:
      return boxes_of_cell<int64_t>(*cell);
    case MAT_C_UINT64:
      return boxes_of_cell<uint64_t>(*cell);
    default:
      return wrong("it holds no numbers");
  }
}

std::string text_of_utf16(const uint16_t* units, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    uint32_t code_point = units[i];
    const bool is_first = code_point >= 0xd800 && code_point < 0xdc00 && i + 1 < count;
    if (is_first && units[i + 1] >= 0xdc00 && units[i + 1] < 0xe000)
      code_point = 0x10000 + ((code_point - 0xd800) << 10) + (units[++i] - 0xdc00U);
    append_utf8(text, code_point);
  }
  return text;
}

/// The id of an image by its name: the name's stem.
/// What a .mat file's name of an image file is as an id.
std::string name_in_mat(std::string name) {
  name.erase(0, name.rfind('/') + 1);
  return has_image_ending(name) ? std::string(stem_of(name)) : name;
}

std::string read_id(const matvar_t* cell, size_t place, Problems& problems) {
  const bool is_text = !is_empty_cell(cell) && cell->class_type == MAT_C_CHAR && cell->rank == 2 &&
                       cell->dims[0] == 1 && cell->data != nullptr;
  std::string name;
  if (is_text && cell->data_size == 1) {
    name.assign(static_cast<const char*>(cell->data), cell->dims[1]);
  } else if (is_text && cell->data_size == 2) {
    name = text_of_utf16(static_cast<const uint16_t*>(cell->data), cell->dims[1]);
  }
  if (name.empty() || !is_utf8(name)) {
    problems.error("an image's name that is no text", fmt::format("images{{{}}}", place + 1));
    return name;
  }
  return name_in_mat(std::move(name));
}

// What MatIO writes.

/// A cell array of what make(i) gives.
template <class Make>
MatVar make_cells(const char* name, size_t count, Make make) {
  std::array<size_t, 2> shape = {1, count};
  MatVar cells(Mat_VarCreate(name, MAT_C_CELL, MAT_T_CELL, 2, shape.data(), nullptr, 0));
  for (size_t i = 0; cells != nullptr && i < count; ++i)
    Mat_VarSetCell(cells.get(), static_cast<int>(i), make(i));
  return cells;
}

/// y1, x1, y2 and x2, column by column.
matvar_t* make_matrix(const std::vector<Box>& boxes) {
  const size_t count = boxes.size();
  std::vector<double> numbers(4 * count);
  for (size_t i = 0; i < count; ++i) {
    numbers[i] = double{boxes[i].y1} + 1;
    numbers[count + i] = double{boxes[i].x1} + 1;
    numbers[2 * count + i] = boxes[i].y2;
    numbers[3 * count + i] = boxes[i].x2;
  }
  std::array<size_t, 2> shape = {count, 4};
  return Mat_VarCreate(nullptr, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, shape.data(), numbers.data(), 0);
}

matvar_t* make_text(const std::string& text) {
  std::array<size_t, 2> shape = {1, text.size()};
  auto letters = text;
  return Mat_VarCreate(nullptr, MAT_C_CHAR, MAT_T_UTF8, 2, shape.data(), letters.data(), 0);
}

/// Throws Refusal for what MATLAB's files of level 5 cannot hold.
void check_fits(const ProposalList& list) {
  constexpr uint64_t kMost = INT32_MAX, kOfCell = 64, kOfBox = 4 * sizeof(double);
  uint64_t bytes = 0;
  for (const auto& image : list.images) {
    bytes += kOfCell + kOfBox * image.boxes.size();
    if (list.has_ids) check_mat_id(image.id);
  }
  if (bytes > kMost)
    throw Refusal("more proposals than a variable of a .mat file holds, 2 GB; write .json or .pkl");
}

}  // namespace

void check_mat_id(const std::string& id) {
  const bool is_ascii = std::ranges::none_of(id, [](char c) { return static_cast<uint8_t>(c) > 0x7e; });
  if (!id.empty() && is_ascii && id == name_in_mat(id)) return;
  throw Refusal(
      fmt::format("image id {}: .mat files are written with ids of ASCII letters alone, without folders and "
                  "endings of images; write .json or .pkl",
                  id));
}

ProposalList read_mat_proposals(std::string_view file, Problems& problems) {
  MemoryFile copy;
  copy.add(file.substr(0, 128));
  for (auto& variable : checked_variables(file, kVariables)) {
    copy.add(variable.element);
    variable = {};
  }
  const MatFile opened(Mat_Open(copy.name().c_str(), MAT_ACC_RDONLY));
  if (opened == nullptr) throw Refusal("is a .mat file that cannot be opened");
  const auto boxes = read_cells(opened.get(), "boxes");
  const auto images = read_cells(opened.get(), "images");
  if (boxes.variable == nullptr)
    throw Refusal("has no variable `boxes`, a cell array with a matrix [P, 4] for each image");
  if (images.variable != nullptr && images.count != boxes.count)
    throw Refusal(fmt::format("has {} `images` for {} `boxes`", images.count, boxes.count));
  ProposalList list{.has_ids = images.variable != nullptr};
  for (size_t i = 0; i < boxes.count; ++i) {
    list.images.push_back({.id = list.has_ids ? read_id(images[i], i, problems) : "",
                           .boxes = read_boxes(boxes[i], i, problems)});
  }
  return list;
}

void write_mat_proposals(const ProposalList& list, const std::function<void(std::string_view)>& write) {
  check_fits(list);
  const auto& images = list.images;
  const MemoryFile file;
  {
    // Without a header of one's own it has the time, and files of the same content differ.
    const MatFile created(
        Mat_CreateVer(file.name().c_str(), "MATLAB 5.0 MAT-file, written by rcnn", MAT_FT_MAT5));
    const auto add = [&](const MatVar& cells) {
      if (created == nullptr || cells == nullptr ||
          Mat_VarWrite(created.get(), cells.get(), MAT_COMPRESSION_NONE) != 0)
        throw Refusal("MatIO cannot write the proposals");
    };
    add(make_cells("boxes", images.size(), [&](size_t i) { return make_matrix(images[i].boxes); }));
    if (list.has_ids)
      add(make_cells("images", images.size(), [&](size_t i) { return make_text(images[i].id); }));
  }
  file.give(write);
}

}  // namespace rcnn::data
