// The bytes that the network sees are those of PIL.Image.resize() and cv2.resize(), on images of all sizes
// and shapes; and those of the OpenCV that is linked here.

#include <cmath>
#include <random>

#include <opencv2/imgproc.hpp>

#include <rcnn/nn/pixels.h>

#include "tests/parity/parity.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

class ResizeParity : public test::Parity<> {
 protected:
  static at::Tensor resized(const at::Tensor& image, ImageSize size, Resize resize) {
    const PixelOptions bytes{.range = 255, .mean = {0, 0, 0}, .std = {1, 1, 1}, .resize = resize};
    return network_input({{image}, {size}}, bytes, 1, at::kFloat)[0].permute({1, 2, 0});
  }

  void expect_bytes(const std::string& peer, Resize resize) {
    read("resize");
    if (IsSkipped()) return;
    const auto images = list("image"), wanted = list(peer);
    ASSERT_GT(images.size(), 200u);
    ASSERT_EQ(wanted.size(), images.size());
    for (size_t i = 0; i < images.size(); ++i) {
      const auto got = resized(images[i], {wanted[i].size(0), wanted[i].size(1)}, resize);
      EXPECT_TRUE(at::equal(got, wanted[i].to(at::kFloat)))
          << peer << " " << metadata(peer) << ", seed " << metadata("seed") << ": " << images[i].sizes()
          << " to " << wanted[i].sizes();
    }
  }
};

TEST_F(ResizeParity, PillowsBytes) {
  expect_bytes("pillow", Resize::pillow);
}

TEST_F(ResizeParity, OpenCvsBytes) {
  expect_bytes("opencv", Resize::opencv);
}

TEST_F(ResizeParity, BytesOfTheOpenCvLinked) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  torch::manual_seed(seed);
  const auto length = [&] {
    return static_cast<int64_t>(std::exp(std::uniform_real_distribution(0., std::log(300.))(random)));
  };
  for (int round = 0; round < 300; ++round) {
    const ImageSize to{length(), length()};
    ImageSize from{length(), length()};
    if (round % 10 == 0) from = {2 * to.height, 2 * to.width};
    if (round % 10 == 1) from.height = to.height;
    if (round % 10 == 2) from.width = 1;
    const auto image = torch::randint(0, 256, {from.height, from.width, 3}, at::kByte);
    const auto wanted = torch::empty({to.height, to.width, 3}, at::kByte);
    const cv::Mat source(static_cast<int>(from.height), static_cast<int>(from.width), CV_8UC3,
                         image.data_ptr());
    cv::Mat out(static_cast<int>(to.height), static_cast<int>(to.width), CV_8UC3, wanted.data_ptr());
    cv::resize(source, out, out.size(), 0, 0, cv::INTER_LINEAR);
    EXPECT_TRUE(at::equal(resized(image, to, Resize::opencv), wanted.to(at::kFloat)))
        << image.sizes() << " to " << wanted.sizes();
  }
}

}  // namespace
}  // namespace rcnn::nn
