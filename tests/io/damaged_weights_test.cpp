#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/io/weight_file.h>

#include "io/files/checksum.h"
#include "tests/io/weights_support.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// But for .caffemodel files: what a cut between two layers leaves of one is a whole file, see
/// caffe_test.cpp.
std::vector<std::filesystem::path> all_fixtures() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(weights_fixture(""))) {
    if (entry.is_regular_file() && entry.path().extension() != ".caffemodel") files.push_back(entry.path());
  }
  EXPECT_GE(files.size(), 14);
  return files;
}

/// One in so many, which meets every byte and, byte by byte, every bit. Two files of a format are not cut at
/// the same places.
constexpr size_t kSome = 7, kEvery = 1;

void expect_cuts_refused(size_t stride) {
  size_t first = 1;
  for (const auto& file : all_fixtures()) {
    const std::string whole = file_bytes(file);
    for (size_t size = first++ % stride + 1; size < whole.size(); size += stride) {
      EXPECT_NE(refusal_of(std::string_view(whole).substr(0, size)), "no error")
          << file << " cut to " << size;
    }
  }
}

TEST(DamagedWeightsTest, CutsOfAFileAreRefused) {
  expect_cuts_refused(kSome);
}

TEST(DamagedWeightsTest, EveryCutOfAFileIsRefusedNightly) {
  expect_cuts_refused(kEvery);
}

TEST(DamagedWeightsTest, WhatFollowsAFileIsRefused) {
  for (const auto& file : all_fixtures()) {
    EXPECT_NE(refusal_of(file_bytes(file) + std::string(100, 'x')), "no error") << file;
  }
}

/// Flips bits in turn, one in `stride`. `check` gets what is read none the less.
template <class Check>
int count_refusals(std::string bytes, size_t stride, Check check) {
  int refused = 0;
  for (size_t i = 0; i < 8 * bytes.size(); i += stride) {
    bytes[i / 8] ^= static_cast<char>(1 << i % 8);
    try {
      check(parse(bytes), i);
    } catch (const Refusal&) {
      ++refused;
    }
    bytes[i / 8] ^= static_cast<char>(1 << i % 8);
  }
  return refused;
}

void expect_zips_refused_or_the_same(size_t stride) {
  for (const char* name : {"torch_zip/attribute.pth", "written/weights.pth"}) {
    const auto bytes = file_bytes(weights_fixture(name));
    const auto tensors = parse(bytes).tensors;
    const int refused = count_refusals(bytes, stride, [&](const WeightFile& found, size_t bit) {
      EXPECT_TRUE(same_bits(found.tensors, tensors)) << name << ": bit " << bit;
    });
    EXPECT_GT(refused * stride, 1000u) << name;
  }
}

TEST(DamagedWeightsTest, AFlippedBitOfAZipNeverGivesOtherValues) {
  expect_zips_refused_or_the_same(kSome);
}

TEST(DamagedWeightsTest, AFlippedBitOfAZipNeverGivesOtherValuesNightly) {
  expect_zips_refused_or_the_same(kEvery);
}

TEST(DamagedWeightsTest, AFlippedBitOfOurSafetensorsNeverGivesOtherValues) {
  const TempFolder folder;
  const SafeTensors content{
      .tensors = {{"a", torch::tensor({1.0, 2.0})}, {"b", torch::tensor({true, false})}},
      .metadata = {{"classes", "cat, dog"}}};
  write_safetensors(folder.path() / "file", content);
  const auto bytes = file_bytes(folder.path() / "file");
  const int refused = count_refusals(bytes, kEvery, [&](const WeightFile& found, size_t bit) {
    EXPECT_TRUE(same_bits(found.tensors, content.tensors)) << bit;
    EXPECT_EQ(found.metadata.at("classes"), "cat, dog") << bit;
    // What escapes is a checksum that is no longer called so.
    EXPECT_EQ(found.metadata.size(), 2) << bit;
  });
  EXPECT_GE(refused, static_cast<int>(8 * (bytes.size() - Checksum::kKey.size())));
}

void expect_well_formed(size_t stride) {
  for (const char* name :
       {"torch_legacy/all.pth", "torch_legacy/checkpoint.pth", "numpy_pickle/all2.pkl",
        "numpy_pickle/all5.pkl", "numpy_pickle/protocol0.pkl", "safetensors/expected.safetensors"}) {
    const auto bytes = file_bytes(weights_fixture(name));
    const int refused = count_refusals(bytes, stride, [&](const WeightFile& found, size_t bit) {
      for (const auto& [key, tensor] : found.tensors) {
        EXPECT_LE(tensor.nbytes(), bytes.size()) << name << ": bit " << bit;
        tensor.clone();  // reads all of it
      }
    });
    EXPECT_GT(refused, 0) << name;
  }
}

TEST(DamagedWeightsTest, OtherFormatsStayWellFormed) {
  expect_well_formed(kSome);
}

TEST(DamagedWeightsTest, OtherFormatsStayWellFormedNightly) {
  expect_well_formed(kEvery);
}

TEST(DamagedWeightsTest, ClaimsOfSizeAllocateNothing) {
  constexpr uint64_t k10Gb = 10'000'000'000;
  EXPECT_THAT(refusal_of(little_endian(99'000'000, 8) + "{}"), HasSubstr("cut short"));
  EXPECT_NE(refusal_of(little_endian(k10Gb, 8) + "{}"), "no error");
  for (const char* instruction : {"\x8d", "\x8e", "\x96"}) {
    EXPECT_THAT(refusal_of("\x80\4" + (instruction + little_endian(k10Gb, 8)) + "x."),
                HasSubstr("ends too early"));
  }
  for (const char* instruction : {"X", "T", "B", "\x8b"}) {
    EXPECT_THAT(refusal_of("\x80\4" + (instruction + little_endian(UINT32_MAX, 4)) + "x."),
                HasSubstr("ends too early"));
  }
  EXPECT_THAT(refusal_of("\x80\4\x95" + little_endian(k10Gb, 8) + "N."), HasSubstr("a frame is longer"));

  // The last storage of the legacy format claims more elements than there are bytes.
  auto legacy = file_bytes(weights_fixture("torch_legacy/attribute.pth"));
  legacy.replace(legacy.size() - 16, 8, little_endian(k10Gb, 8));
  EXPECT_THAT(refusal_of(legacy), HasSubstr("ends within a storage"));
  legacy.replace(legacy.size() - 16, 8, little_endian(UINT64_MAX / 4, 8));
  EXPECT_THAT(refusal_of(legacy), HasSubstr("ends within a storage"));
}

}  // namespace
}  // namespace rcnn::io
