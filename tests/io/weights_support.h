#pragma once

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "io/files/atomic_writer.h"
#include "io/files/mapped_file.h"
#include "io/pickle/pickle_writer.h"
#include "io/refusal.h"
#include "io/weight_file.h"
#include "io/zip/zip_writer.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {

inline std::filesystem::path weights_fixture(const std::string& name) {
  return std::filesystem::path(RCNN_FIXTURES) / "weights" / name;
}

/// Bytes in memory of exactly their size, as a mapped file's.
inline Memory memory_of(std::string_view bytes) {
  const Memory memory{.bytes = {new char[bytes.size()], std::default_delete<char[]>()}, .size = bytes.size()};
  std::memcpy(memory.bytes.get(), bytes.data(), bytes.size());
  return memory;
}

inline WeightFile parse(std::string_view bytes) {
  return parse_weight_file(memory_of(bytes));
}

/// Why these bytes are refused; "no error".
inline std::string refusal_of(std::string_view bytes) {
  try {
    parse(bytes);
  } catch (const Refusal& refusal) {
    EXPECT_EQ(std::string_view(refusal.what()).find('\n'), std::string_view::npos) << refusal.what();
    return refusal.what();
  }
  return "no error";
}

/// Same shape, dtype and bits, whatever the strides.
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const at::Tensor left = a.contiguous(), right = b.contiguous();
  return std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0;
}

inline bool same_bits(const std::map<std::string, at::Tensor>& a,
                      const std::map<std::string, at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return left.first == right.first && same_bits(left.second, right.second);
  });
}

inline std::string little_endian(uint64_t value, size_t bytes) {
  return {reinterpret_cast<const char*>(&value), bytes};
}

/// An archive as torch.save writes it, of this pickle and these storages.
inline std::string torch_zip(std::string_view pickle,
                             const std::vector<std::pair<std::string, std::string>>& storages = {}) {
  const TempFolder folder;
  AtomicWriter writer(folder.path() / "zip");
  ZipWriter zip(writer);
  zip.add("archive/data.pkl", pickle);
  for (const auto& [key, data] : storages) zip.add("archive/data/" + key, data);
  zip.finish();
  writer.commit();
  return file_bytes(folder.path() / "zip");
}

/// A numpy array of this many float32 zeros.
inline void write_array(pickle::Writer& pickle, int64_t size = 1) {
  pickle.global("numpy._core.numeric", "_frombuffer").op('(').bytes_follow(4 * size);
  for (int64_t i = 0; i < 4 * size; ++i) pickle.op('\0');
  pickle.global("numpy", "dtype")
      .op('(')
      .text("f4")
      .op('t')
      .op('R')
      .sizes({&size, 1})
      .text("C")
      .op('t')
      .op('R');
}

}  // namespace rcnn::io
