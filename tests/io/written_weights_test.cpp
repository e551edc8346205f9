#include <csignal>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <rcnn/io/detectron2_file.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/io/weight_file.h>

#include "tests/io/weights_support.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, at::Tensor>;
using testing::HasSubstr;

/// The two writers, and whatever both of them promise.
struct Kind {
  const char* golden;
  void (*write)(const fs::path&, const Tensors&);
};

class WrittenWeightsTest : public testing::TestWithParam<Kind> {
 protected:
  /// Of every kind that the format has.
  static Tensors tensors() {
    auto tensors = read_weight_file(weights_fixture("torch_zip/all.pth")).tensors;
    if (GetParam().write == write_detectron2) tensors.erase("bf16");
    return tensors;
  }

  std::string error(const Tensors& tensors) const {
    return message_of<WeightsError>([&] { GetParam().write(file_, tensors); });
  }

  const TempFolder folder_;
  const fs::path file_ = folder_.path() / "file";
};

// make_weight_files.py reads these very bytes with torch and with pickle.
TEST_P(WrittenWeightsTest, TheBytesAreThoseThatPythonReads) {
  GetParam().write(file_, tensors());
  EXPECT_EQ(file_bytes(file_), file_bytes(weights_fixture(GetParam().golden)));
}

TEST_P(WrittenWeightsTest, ReadsBack) {
  GetParam().write(file_, tensors());
  const auto found = read_weight_file(file_);
  EXPECT_TRUE(same_bits(found.tensors, tensors()));
  for (const auto& [name, tensor] : found.tensors) EXPECT_TRUE(tensor.is_contiguous()) << name;
  const Tensors expanded = {{"e", torch::ones({1}).expand({3, 2})},
                            {"p", torch::ones({2}, torch::requires_grad())}};
  GetParam().write(file_, expanded);
  EXPECT_TRUE(same_bits(read_weight_file(file_).tensors, expanded));
}

TEST_P(WrittenWeightsTest, LargeSizesAreWrittenWhole) {
  const Tensors tensors = {{"n", torch::arange(70'000)}};
  GetParam().write(file_, tensors);
  EXPECT_TRUE(same_bits(read_weight_file(file_).tensors, tensors));
}

TEST_P(WrittenWeightsTest, WhatTheFormatCannotHoldIsRefused) {
  EXPECT_EQ(
      error({{"c", torch::zeros({2}, at::kComplexFloat)}}),
      file_.string() + ": cannot be written: tensor c: dtype ComplexFloat is not supported by this format");
  EXPECT_THAT(error({{"u", at::Tensor()}}), HasSubstr("tensor u: dtype"));
  EXPECT_THAT(error({{"\xff", torch::zeros({2})}}), HasSubstr("its name is not UTF-8"));
  EXPECT_FALSE(fs::exists(file_));
}

TEST_P(WrittenWeightsTest, AFullDiskLeavesTheOldFile) {
  GetParam().write(file_, tensors());
  const auto old = file_bytes(file_);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t most : {0, 10, 200, 5000, 40'000}) {
    const rlimit limit{.rlim_cur = most, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    EXPECT_THROW(GetParam().write(file_, {{"a", torch::ones({10'000})}}), DataError) << most;
    setrlimit(RLIMIT_FSIZE, &before);
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(file_bytes(file_), old);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

INSTANTIATE_TEST_SUITE_P(Formats, WrittenWeightsTest,
                         testing::Values(Kind{"written/weights.pth", write_torch},
                                         Kind{"written/weights.pkl", write_detectron2}),
                         [](const auto& info) { return info.index == 0 ? "Torch" : "Detectron2"; });

TEST(Detectron2FileTest, NumpyHasNoBfloat16) {
  const TempFolder folder;
  const auto write = [&] {
    write_detectron2(folder.path() / "file", {{"w", torch::zeros({2}, at::kBFloat16)}});
  };
  EXPECT_THAT(message_of<WeightsError>(write),
              HasSubstr("tensor w: dtype BFloat16 is not supported by this format"));
}

}  // namespace
}  // namespace rcnn::io
