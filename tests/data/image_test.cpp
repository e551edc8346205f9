#include <random>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <sys/stat.h>

#include <rcnn/data/image.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::HasSubstr;

class ImageTest : public testing::Test {
 protected:
  std::string read_error(const std::filesystem::path& file) {
    const std::string message = message_of<DataError>([&] { read_image(file); });
    EXPECT_THAT(message, HasSubstr(file.string()));
    return message;
  }

  TempFolder folder_;
};

/// Colours that a JPEG keeps well.
cv::Mat smooth(int rows, int cols, int type = CV_8UC3) {
  cv::Mat image(rows, cols, type);
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < cols; ++x) {
      if (type == CV_8U) image.at<uint8_t>(y, x) = static_cast<uint8_t>(40 + 2 * y + x);
      if (type == CV_8UC3) image.at<cv::Vec3b>(y, x) = cv::Vec3b(uchar(2 * x), uchar(3 * y), uchar(200 - x));
    }
  }
  return image;
}

std::string encoded(const cv::Mat& image, const std::string& ending, const std::vector<int>& flags = {}) {
  std::vector<uchar> bytes;
  cv::imencode(ending, image, bytes, flags);
  return {bytes.begin(), bytes.end()};
}

std::string big_endian(uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

/// A JPEG with a segment APP1 after its start.
std::string with_app1(const std::string& jpeg, const std::string& content) {
  const size_t length = content.size() + 2;
  return jpeg.substr(0, 2) + "\xff\xe1" + char(length >> 8) + char(length) + content + jpeg.substr(2);
}

std::string exif(char orientation) {
  using namespace std::string_literals;
  return "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s + orientation + "\0\0\0\0\0\0"s;
}

TEST_F(ImageTest, GivesRedGreenBlueInThisOrder) {
  cv::Mat bgr(2, 3, CV_8UC3, cv::Scalar(10, 20, 30));
  bgr.at<cv::Vec3b>(1, 2) = {1, 2, 3};
  const at::Tensor image = read_image(folder_.write("a.png", encoded(bgr, ".png")));
  ASSERT_EQ(image.sizes(), (std::vector<int64_t>{2, 3, 3}));
  EXPECT_EQ(image.scalar_type(), at::kByte);
  EXPECT_TRUE(image.is_contiguous());
  EXPECT_TRUE(image[0][0].equal(at::tensor({30, 20, 10}, at::kByte)));
  EXPECT_TRUE(image[1][2].equal(at::tensor({3, 2, 1}, at::kByte)));
}

TEST_F(ImageTest, WritesWhatItReads) {
  const at::Tensor image = at::randint(0, 256, {5, 4, 3}, at::kByte);
  write_image(folder_.path() / "a.png", image);
  EXPECT_TRUE(read_image(folder_.path() / "a.png").equal(image));
  write_image(folder_.path() / "b.png", image.permute({1, 0, 2}));
  EXPECT_TRUE(read_image(folder_.path() / "b.png").equal(image.permute({1, 0, 2})));
  const at::Tensor even = at::full({16, 16, 3}, 90, at::kByte);
  write_image(folder_.path() / "a.JPG", even);
  EXPECT_TRUE(read_image(folder_.path() / "a.JPG").equal(even));
}

TEST_F(ImageTest, WritingRefusesOtherKindsAndPlaces) {
  const at::Tensor image = at::zeros({2, 2, 3}, at::kByte);
  EXPECT_THAT(message_of<DataError>([&] { write_image(folder_.path() / "a.tga", image); }),
              HasSubstr(".png"));
  EXPECT_THAT(message_of<DataError>([&] { write_image(folder_.path() / "no/a.png", image); }),
              HasSubstr("no/a.png"));
  EXPECT_THAT(message_of<DataError>([&] { write_image("/dev/full", image); }), HasSubstr("/dev/full"));
  EXPECT_THROW(write_image(folder_.path() / "a.png", at::zeros({2, 2, 3})), c10::Error);
  EXPECT_THROW(write_image(folder_.path() / "a.png", at::zeros({3, 2, 2}, at::kByte)), c10::Error);
}

TEST_F(ImageTest, WritingNoticesAFullDisk) {
  std::filesystem::create_symlink("/dev/full", folder_.path() / "full.png");
  const at::Tensor image = at::randint(0, 256, {64, 64, 3}, at::kByte);
  EXPECT_THAT(message_of<DataError>([&] { write_image(folder_.path() / "full.png", image); }),
              HasSubstr("cannot be written"));
}

TEST_F(ImageTest, ReadsTheUsualKinds) {
  const cv::Mat color = smooth(16, 24);
  const cv::Mat grey = smooth(16, 24, CV_8U);
  cv::Mat deep;
  color.convertTo(deep, CV_16UC3, 257);
  cv::Mat alpha(16, 24, CV_8UC4, cv::Scalar(10, 20, 30, 0));
  const std::vector<std::pair<std::string, std::string>> files = {
      {"rgb.png", encoded(color, ".png")},
      {"grey.png", encoded(grey, ".png")},
      {"grey.jpg", encoded(grey, ".jpg")},
      {"progressive.jpg", encoded(color, ".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, 1})},
      {"restarts.jpg", encoded(color, ".jpg", {cv::IMWRITE_JPEG_RST_INTERVAL, 1})},
      {"deep.png", encoded(deep, ".png")},
      {"alpha.png", encoded(alpha, ".png")},
      {"bilevel.png", encoded(grey > 60, ".png", {cv::IMWRITE_PNG_BILEVEL, 1})},
      {"a.bmp", encoded(color, ".bmp")},
      {"a.tif", encoded(color, ".tif")},
      {"a.webp", encoded(color, ".webp")},
      {"wrong_ending.jpg", encoded(color, ".png")},
      {"\xc3\xbc\xe7\x8c\xab with spaces.jpg", encoded(color, ".jpg")},
  };
  for (const auto& [name, bytes] : files) {
    const auto file = folder_.write(name, bytes);
    EXPECT_EQ(read_image(file).sizes(), (std::vector<int64_t>{16, 24, 3})) << name;
    EXPECT_EQ(image_size(file), (ImageSize{16, 24})) << name;
  }
  const at::Tensor three = read_image(folder_.path() / "grey.png");
  EXPECT_TRUE(three.select(2, 0).equal(three.select(2, 1)) && three.select(2, 0).equal(three.select(2, 2)));
  EXPECT_TRUE(read_image(folder_.path() / "deep.png").equal(read_image(folder_.path() / "rgb.png")));
  EXPECT_TRUE(read_image(folder_.path() / "alpha.png")[0][0].equal(at::tensor({30, 20, 10}, at::kByte)));
}

TEST_F(ImageTest, ReadsExtremeShapes) {
  for (const auto& [rows, cols] : {std::pair(1, 1), std::pair(1, 3000), std::pair(3000, 1)}) {
    const auto file = folder_.write("thin.jpg", encoded(smooth(rows, cols), ".jpg"));
    EXPECT_EQ(read_image(file).sizes(), (std::vector<int64_t>{rows, cols, 3}));
    EXPECT_EQ(image_size(file), (ImageSize{rows, cols}));
  }
}

TEST_F(ImageTest, LeavesThePixelsAsStoredWhateverExifSays) {
  const std::string jpeg = encoded(smooth(16, 24), ".jpg");
  const auto plain = folder_.write("plain.jpg", jpeg);
  const auto turned = folder_.write("turned.jpg", with_app1(jpeg, exif(6)));
  ASSERT_EQ(cv::imread(turned.string()).rows, 24) << "the file does not ask to be turned";
  EXPECT_TRUE(read_image(turned).equal(read_image(plain)));
  EXPECT_EQ(image_size(turned), (ImageSize{16, 24}));
}

TEST_F(ImageTest, SaysWhyAFileIsNoImage) {
  EXPECT_THAT(read_error(folder_.path() / "missing.jpg"), HasSubstr("No such file"));
  EXPECT_THAT(read_error(folder_.path()), HasSubstr("no regular file"));
  EXPECT_THAT(read_error(folder_.write("empty.jpg", "")), HasSubstr("empty"));
  EXPECT_THAT(read_error(folder_.write("text.jpg", "this is text, not an image")),
              HasSubstr("no image of a kind"));
  EXPECT_THAT(read_error(folder_.write("zeros.jpg", std::string(5000, '\0'))),
              HasSubstr("no image of a kind"));
  EXPECT_THAT(read_error(folder_.write("a.gif", "GIF89a\x01")), HasSubstr("convert it"));
  EXPECT_THAT(read_error(folder_.path() / std::string(300, 'x')), HasSubstr("too long"));
  const auto pipe = folder_.path() / "pipe.jpg";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(read_error(pipe), HasSubstr("no regular file"));
  const std::string png = encoded(smooth(64, 64), ".png");
  EXPECT_THAT(read_error(folder_.write("header.png", png.substr(0, 12))), HasSubstr("cut off"));
  EXPECT_THAT(read_error(folder_.write("half.png", png.substr(0, 33))), HasSubstr("damaged or cut off"));
}

TEST_F(ImageTest, NoticesAJpegThatEndsEarly) {
  for (const bool progressive : {false, true}) {
    const std::string jpeg = encoded(smooth(64, 80), ".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, progressive});
    for (const size_t kept :
         {size_t(2), size_t(3), size_t(20), jpeg.size() / 2, jpeg.size() * 9 / 10, jpeg.size() - 1}) {
      const auto file = folder_.write("cut.jpg", jpeg.substr(0, kept));
      EXPECT_THAT(read_error(file), HasSubstr("cut off")) << kept << " bytes";
      EXPECT_THROW(image_size(file), DataError) << kept << " bytes";
    }
  }
}

TEST_F(ImageTest, AThumbnailsEndIsNotTheImages) {
  const std::string thumbnail = encoded(smooth(8, 8), ".jpg");
  const std::string jpeg = with_app1(encoded(smooth(64, 80), ".jpg"), "Exif" + thumbnail);
  EXPECT_EQ(image_size(folder_.write("whole.jpg", jpeg)), (ImageSize{64, 80}));
  EXPECT_THAT(read_error(folder_.write("cut.jpg", jpeg.substr(0, jpeg.size() - 40))), HasSubstr("cut off"));
}

TEST_F(ImageTest, BytesAfterTheEndAreNoHarm) {
  const std::string jpeg = encoded(smooth(64, 80), ".jpg");
  for (const std::string& tail :
       {std::string(1, '\0'), std::string("appended by a camera"), std::string(4000, '\xff')}) {
    EXPECT_EQ(read_image(folder_.write("tail.jpg", jpeg + tail)).size(1), 80);
  }
}

TEST_F(ImageTest, RefusesHugeImagesBeforeDecoding) {
  using namespace std::string_literals;
  const std::string png =
      "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s + big_endian(60000) + big_endian(60000) + "\x08\x02\0\0\0"s;
  EXPECT_THAT(read_error(folder_.write("huge.png", png)), HasSubstr("100 megapixels"));
  const std::string jpeg = "\xff\xd8\xff\xc0\0\x11\x08\x9c\x40\x9c\x40\x03\xff\xd9"s;
  EXPECT_THAT(read_error(folder_.write("huge.jpg", jpeg)), HasSubstr("40000 x 40000"));
  EXPECT_THROW(image_size(folder_.path() / "huge.png"), DataError);
  const std::string overflow =
      "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s + big_endian(0xffffffff) + big_endian(0xffffffff);
  EXPECT_THAT(read_error(folder_.write("overflow.png", overflow + "\x08\x02\0\0\0"s)),
              HasSubstr("megapixels"));
}

// Whatever a file holds: an image or a DataError, never a crash or another exception.
TEST_F(ImageTest, DamagedBytesGiveAnImageOrAnError) {
  std::mt19937 random(7);
  for (const std::string ending : {".jpg", ".png", ".bmp", ".webp", ".tif"}) {
    const std::string whole = encoded(smooth(32, 32), ending);
    for (int i = 0; i < 60; ++i) {
      std::string bytes = whole;
      for (int flips = 0; flips < 4; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
      const auto file = folder_.write("damaged" + ending, bytes);
      try {
        EXPECT_EQ(read_image(file).dim(), 3);
      } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr("damaged"));
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::data
