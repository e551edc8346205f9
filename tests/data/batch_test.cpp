#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <rcnn/data/batch.h>

namespace rcnn::data {
namespace {

at::Tensor image(int64_t height, int64_t width) {
  return at::randint(1, 256, {height, width, 3}, at::kByte);
}

TEST(Collate, PutsEachImageAtTheTopLeftOfZeros) {
  const std::vector<at::Tensor> images = {image(4, 9), image(7, 2)};
  const ImageBatch batch = collate(images);
  ASSERT_EQ(batch.pixels.sizes(), (std::vector<int64_t>{2, 7, 9, 3}));
  EXPECT_EQ(batch.pixels.scalar_type(), at::kByte);
  EXPECT_EQ(batch.sizes, (std::vector<ImageSize>{{4, 9}, {7, 2}}));
  for (int64_t i = 0; i < 2; ++i) {
    at::Tensor expected = at::zeros({7, 9, 3}, at::kByte);
    expected.narrow(0, 0, images[i].size(0)).narrow(1, 0, images[i].size(1)).copy_(images[i]);
    EXPECT_TRUE(batch.pixels[i].equal(expected)) << "image " << i;
  }
}

TEST(Collate, PadsToAMultiple) {
  EXPECT_EQ(collate(std::vector{image(33, 64)}, 32).pixels.sizes(), (std::vector<int64_t>{1, 64, 64, 3}));
  EXPECT_EQ(collate(std::vector{image(1, 1)}, 32).pixels.sizes(), (std::vector<int64_t>{1, 32, 32, 3}));
}

TEST(Collate, TakesAViewOfALargerTensor) {
  const at::Tensor view = image(6, 8).permute({1, 0, 2});
  EXPECT_TRUE(collate(std::vector{view}).pixels[0].equal(view));
}

TEST(Collate, RefusesNothingAndWhatIsNoImage) {
  EXPECT_THROW(collate({}), c10::Error);
  EXPECT_THROW(collate(std::vector{image(2, 2)}, 0), c10::Error);
  EXPECT_THROW(collate(std::vector{at::zeros({2, 2, 3})}), c10::Error);
  EXPECT_THROW(collate(std::vector{at::zeros({3, 2, 2}, at::kByte)}), c10::Error);
}

}  // namespace
}  // namespace rcnn::data
