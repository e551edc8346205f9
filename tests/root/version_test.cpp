#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/version.h>

namespace rcnn {
namespace {

using testing::MatchesRegex;

TEST(VersionTest, VersionsAreThreeNumbers) {
  EXPECT_THAT(version(), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(torch_version(), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
}

TEST(VersionTest, ArchitecturesAreWordsOfMachineCodeAndPtx) {
  EXPECT_THAT(cuda_architectures(), MatchesRegex("((sm|compute)_[0-9a-z]+( (sm|compute)_[0-9a-z]+)*)?"));
}

TEST(VersionTest, CudaNeedsKernels) {
  EXPECT_TRUE(!has_cuda() || !cuda_architectures().empty());
}

}  // namespace
}  // namespace rcnn
