#include "eval/numpy_mean.h"

#include <cmath>
#include <filesystem>
#include <span>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>

namespace rcnn::eval {
namespace {

TEST(NumpyMean, IsNaNWithoutValues) {
  EXPECT_TRUE(std::isnan(numpy_mean({})));
}

TEST(NumpyMean, IsNumpysToTheLastBit) {
  const std::filesystem::path file = RCNN_COCO_SETS;
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "numpy has not made " << file;
  const auto tensors = io::read_safetensors(file).tensors;
  const auto counts = tensors.at("means.counts"), means = tensors.at("means.means");
  const double* values = tensors.at("means.values").const_data_ptr<double>();
  ASSERT_GT(counts.numel(), 300);
  for (int64_t i = 0; i < counts.numel(); ++i) {
    const auto count = static_cast<size_t>(counts[i].item<int64_t>());
    EXPECT_EQ(numpy_mean(std::span(values, count)), means[i].item<double>()) << count << " values";
  }
}

}  // namespace
}  // namespace rcnn::eval
