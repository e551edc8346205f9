// Photographs as Pillow, and so torchvision's data sets, decode them.

#include <cstdlib>

#include <rcnn/data/images/image.h>

#include "tests/parity/parity.h"

namespace rcnn::data {
namespace {

class DecodeParity : public test::Parity<> {
 protected:
  void SetUp() override {
    if (std::getenv("RCNN_DATA") == nullptr) GTEST_SKIP() << "RCNN_DATA names no folder with real data";
    read("decoded");
  }
};

TEST_F(DecodeParity, JpegPixelsArePillows) {
  const std::filesystem::path data = std::getenv("RCNN_DATA");
  int64_t largest = 0;
  for (const auto& [name, want] : golden_.tensors) {
    const auto got = read_image(data / "voc2012_slice" / "JPEGImages" / name);
    ASSERT_EQ(got.sizes(), want.sizes()) << name;
    largest = std::max(largest, (got.to(at::kLong) - want.to(at::kLong)).abs().max().item<int64_t>());
  }
  RecordProperty("largest_difference", std::to_string(largest));
  EXPECT_EQ(largest, 0);
}

}  // namespace
}  // namespace rcnn::data
