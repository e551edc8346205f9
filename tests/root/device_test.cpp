#include "device.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/device.h>
#include <rcnn/version.h>

#include "tests/support/message_of.h"

namespace rcnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ParseDevice, KnowsThreeWords) {
  EXPECT_EQ(parse_device("cpu"), at::Device(at::kCPU));
  EXPECT_EQ(parse_device("auto").type(), has_cuda() ? at::kCUDA : at::kCPU);
  if (has_cuda()) {
    EXPECT_EQ(parse_device("cuda").type(), at::kCUDA);
  } else {
    EXPECT_THAT(message_of<ConfigError>([] { parse_device("cuda"); }), HasSubstr("no usable CUDA device"));
  }
  for (const char* wrong : {"tpu", "", "CPU", "cuda:0"}) {
    EXPECT_THAT(message_of<ConfigError>([&] { parse_device(wrong); }),
                AllOf(HasSubstr(std::string("'") + wrong + "'"), HasSubstr("auto, cpu, cuda")));
  }
}

constexpr const char* kArchitectures = "sm_80 sm_90 compute_90";

TEST(CudaArchitectures, RunOnTheGpusThatTheyAreMadeFor) {
  const auto runs = [](const char* architectures, int major, int minor) {
    return run_on(architectures, {.name = "GPU", .major = major, .minor = minor});
  };
  for (const auto& [major, minor] : {std::pair{8, 0}, {8, 6}, {8, 9}, {9, 0}, {10, 0}, {12, 1}}) {
    EXPECT_TRUE(runs(kArchitectures, major, minor)) << major << "." << minor;
  }
  for (const auto& [major, minor] : {std::pair{7, 5}, {7, 0}, {6, 1}}) {
    EXPECT_FALSE(runs(kArchitectures, major, minor)) << major << "." << minor;
  }
  // Machine code: no lower minor number, no other major one.
  EXPECT_FALSE(runs("sm_86", 8, 0));
  EXPECT_TRUE(runs("sm_86", 8, 9));
  EXPECT_FALSE(runs("sm_86", 9, 0));
  EXPECT_TRUE(runs("compute_75", 8, 0));
  EXPECT_FALSE(runs("compute_80", 7, 5));
  // For one GPU or one family alone.
  EXPECT_TRUE(runs("sm_90a compute_90a", 9, 0));
  EXPECT_FALSE(runs("sm_90a compute_90a", 10, 0));
  EXPECT_TRUE(runs("sm_100f", 10, 3));
  EXPECT_FALSE(runs("compute_100f", 12, 0));
  EXPECT_TRUE(runs("sm_native compute_native", 7, 5));
  EXPECT_FALSE(runs("", 9, 0));
}

TEST(ChooseDevice, TakesAGpuThatTheKernelsRunOn) {
  const CudaDevice old{.name = "Tesla T4", .major = 7, .minor = 5},
      fitting{.name = "A10", .major = 8, .minor = 6};
  EXPECT_EQ(choose_device("auto", fitting, kArchitectures).type(), at::kCUDA);
  EXPECT_EQ(choose_device("cuda", fitting, kArchitectures).type(), at::kCUDA);
  EXPECT_EQ(choose_device("cpu", fitting, kArchitectures).type(), at::kCPU);
  EXPECT_THAT(message_of<ConfigError>([&] { choose_device("cuda", old, kArchitectures); }),
              AllOf(HasSubstr("Tesla T4"), HasSubstr("7.5"), HasSubstr(kArchitectures),
                    HasSubstr("-DRCNN_CUDA_ARCHITECTURES=75")));
  EXPECT_THAT(message_of<ConfigError>([&] { choose_device("cuda", std::nullopt, kArchitectures); }),
              HasSubstr("no usable CUDA device"));

  testing::internal::CaptureStderr();
  EXPECT_EQ(choose_device("auto", old, kArchitectures).type(), at::kCPU);
  EXPECT_EQ(choose_device("cpu", old, kArchitectures).type(), at::kCPU);
  EXPECT_EQ(choose_device("auto", std::nullopt, kArchitectures).type(), at::kCPU);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, AllOf(HasSubstr("warning: device: "), HasSubstr("Tesla T4"), HasSubstr("on the CPU")));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}

}  // namespace
}  // namespace rcnn
