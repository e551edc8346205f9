#include <new>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/error.h>

namespace rcnn {
namespace {

TEST(Error, CarriesItsExitCode) {
  EXPECT_EQ(ConfigError("x").exit_code(), 2);
  EXPECT_EQ(DataError("x").exit_code(), 3);
  EXPECT_EQ(WeightsError("x").exit_code(), 4);
  EXPECT_EQ(MemoryError("x").exit_code(), 5);
  EXPECT_EQ(NonFiniteError("x").exit_code(), 6);
}

TEST(Error, KnowsLibTorchsWordsForAnEmptyMemory) {
  try {
    torch::empty({int64_t{1} << 60}, torch::kByte);  // more than an address can reach
    FAIL() << "allocated 2^60 bytes";
  } catch (const c10::Error& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what_without_backtrace();
  }
  try {
    torch::empty({int64_t{1} << 40, int64_t{1} << 40}, torch::kByte);  // more than a number can say
    FAIL() << "allocated 2^80 bytes";
  } catch (const c10::Error& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what_without_backtrace();
  }
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_FALSE(is_out_of_memory(ConfigError("can't allocate memory")));
}

}  // namespace
}  // namespace rcnn
