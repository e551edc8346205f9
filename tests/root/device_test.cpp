#include <string>

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

}  // namespace
}  // namespace rcnn
