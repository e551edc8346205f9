#include <csignal>
#include <filesystem>
#include <random>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <sys/resource.h>
#include <sys/stat.h>

#include <rcnn/data/images/image.h>
#include <rcnn/io/files/atomic_file.h>

#include "data/images/remarks.h"
#include "tests/support/exif.h"
#include "tests/support/message_of.h"
#include "tests/support/resident_memory.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

class ImageTest : public testing::Test {
 protected:
  std::string read_error(const std::filesystem::path& file) {
    const std::string message = message_of<DataError>([&] { read_image(file); });
    EXPECT_THAT(message, HasSubstr(file.string()));
    return message;
  }

  /// The image, and what is remarked of its file.
  static at::Tensor remarked(const std::filesystem::path& file, std::vector<std::string>& remarks) {
    ImageRemarks said;
    const auto image = read_image(file);
    remarks = said.take();
    return image;
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

/// exif() in the other byte order, after an entry for the width.
std::string little_exif(char orientation) {
  using namespace std::string_literals;
  std::string content =
      "Exif\0\0II*\0\x08\0\0\0\x02\0\0\x01\x03\0\x01\0\0\0\x06\0\0\0\x12\x01\x03\0\x01\0\0\0"s;
  content += orientation;
  return content.append(7, '\0');
}

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

/// 8 x 8 pixels of one colour, (0, 64, 128, 192) as it is stored, written by Pillow.
std::string cmyk_jpeg() {
  return from_hex(
      "ffd8ffee000e41646f626500640000000000ffdb00430002010101010102010101020202020204030202020205040403"
      "04060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc000140800080008"
      "044311004d11005911004b1100ffc40016000101010000000000000000000000000009000affc4001410010000000000"
      "0000000000000000000000ffda000e0443004d0059004b00003f00cff8ff004401ffd9");
}

/// 2 pixels wide and 1 high, (1, 2, 3) and (4, 5, 6), uncompressed, to be shown turned by a quarter.
std::string turned_tiff() {
  std::string entries;
  const auto little = [](uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i);
    return text;
  };
  const std::vector<std::array<uint32_t, 2>> tags = {{256, 2}, {257, 1}, {258, 8}, {259, 1}, {262, 2},
                                                     {273, 8}, {274, 6}, {277, 3}, {278, 1}, {279, 6}};
  for (const auto& [tag, value] : tags)
    entries += little(tag, 2) + little(3, 2) + little(1, 4) + little(value, 4);
  return "II*" + std::string(1, '\0') + little(14, 4) + "\1\2\3\4\5\6" +
         little(static_cast<uint32_t>(tags.size()), 2) + entries + little(0, 4);
}

/// 16 bits, of which OpenCV writes the other kind alone; `samples` has the most significant bytes first.
std::string white_is_zero(const std::string& samples) {
  const auto big = [](uint32_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i);
    return text;
  };
  const auto bytes = static_cast<uint32_t>(samples.size());
  std::string entries;
  for (const auto& [tag, value] : std::vector<std::array<uint32_t, 2>>{{256, bytes / 2},
                                                                       {257, 1},
                                                                       {258, 16},
                                                                       {259, 1},
                                                                       {262, 0},
                                                                       {273, 8},
                                                                       {277, 1},
                                                                       {278, 1},
                                                                       {279, bytes}}) {
    entries += big(tag, 2) + big(3, 2) + big(1, 4) + big(value, 2) + big(0, 2);
  }
  return "MM" + big(42, 2) + big(8 + bytes, 4) + samples + big(9, 2) + entries + big(0, 4);
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

TEST_F(ImageTest, WritingThatFailsLeavesNothing) {
  const at::Tensor image = at::randint(0, 256, {64, 64, 3}, at::kByte);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  for (const char* name : {"a.png", "a.jpg"}) {
    EXPECT_THAT(message_of<io::WriteError>([&] { write_image(folder_.path() / name, image); }),
                HasSubstr(name));
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(ImageTest, WhatIsTooWideForAJpegIsAPng) {
  const at::Tensor wide = at::zeros({2, kLargestJpegSide + 1, 3}, at::kByte);
  EXPECT_THAT(message_of<DataError>([&] { write_image(folder_.path() / "a.jpg", wide); }),
              AllOf(HasSubstr("65501 x 2 pixels"), HasSubstr("name a .png file")));
  write_image(folder_.path() / "a.png", wide);
  EXPECT_TRUE(at::equal(read_image(folder_.path() / "a.png"), wide));
  write_image(folder_.path() / "b.jpg", wide.narrow(1, 0, kLargestJpegSide));
  EXPECT_EQ(image_size(folder_.path() / "b.jpg"), (ImageSize{2, kLargestJpegSide}));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "a.jpg"));
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

TEST_F(ImageTest, GivesTheValuesOfEachKind) {
  const auto pixel = [&](const std::string& name, const std::string& bytes) {
    const at::Tensor image = read_image(folder_.write(name, bytes));
    EXPECT_EQ(image.scalar_type(), at::kByte) << name;
    return image[0][0];
  };
  const auto is = [](const at::Tensor& pixel, int r, int g, int b, int tolerance = 0) {
    return (pixel.to(at::kInt) - at::tensor({r, g, b}, at::kInt)).abs().max().item<int>() <= tolerance;
  };
  EXPECT_TRUE(is(pixel("grey.png", encoded(cv::Mat(4, 4, CV_8U, cv::Scalar(77)), ".png")), 77, 77, 77));
  EXPECT_TRUE(is(pixel("grey.jpg", encoded(cv::Mat(8, 8, CV_8U, cv::Scalar(77)), ".jpg")), 77, 77, 77));
  const cv::Mat deep(4, 4, CV_16UC3, cv::Scalar(0xffff, 0x8180, 0x00ff));
  EXPECT_TRUE(is(pixel("deep.png", encoded(deep, ".png")), 1, 0x81, 0xff));
  const cv::Mat deep_grey(4, 4, CV_16U, cv::Scalar(0x8180));
  EXPECT_TRUE(is(pixel("deep_grey.png", encoded(deep_grey, ".png")), 0x81, 0x81, 0x81));
  const cv::Mat alpha(4, 4, CV_8UC4, cv::Scalar(10, 20, 30, 0));
  EXPECT_TRUE(is(pixel("alpha.png", encoded(alpha, ".png")), 30, 20, 10));
  EXPECT_TRUE(
      is(pixel("a.bmp", encoded(cv::Mat(4, 4, CV_8UC3, cv::Scalar(10, 20, 30)), ".bmp")), 30, 20, 10));
  EXPECT_TRUE(
      is(pixel("a.tif", encoded(cv::Mat(4, 4, CV_8UC3, cv::Scalar(10, 20, 30)), ".tif")), 30, 20, 10));
  const cv::Mat black_and_white(4, 4, CV_8U, cv::Scalar(255));
  EXPECT_TRUE(
      is(pixel("1.png", encoded(black_and_white, ".png", {cv::IMWRITE_PNG_BILEVEL, 1})), 255, 255, 255));
  EXPECT_TRUE(is(pixel("cmyk.jpg", cmyk_jpeg()), 0, 48, 96, 2)) << "as Pillow converts it, and a JPEG's loss";
  // One pixel, the second of a palette's two colours.
  EXPECT_TRUE(
      is(pixel("palette.png",
               from_hex("89504e470d0a1a0a0000000d494844520000000100000001080300000028cb34bb00000006504c544500"
                        "0000c86432f3"
                        "9d81140000000a49444154789c63600400000300024bf5ddea0000000049454e44ae426082")),
         200, 100, 50));
}

// tests/oracle/make_odd_images.py has written them, and beside each what Pillow makes of it.
TEST_F(ImageTest, OddPixelsArePillows) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RCNN_FIXTURES "/images/odd")) {
    if (entry.path().extension() == ".rgb") continue;
    SCOPED_TRACE(entry.path());
    ++files;
    std::vector<std::string> remarks;
    const at::Tensor image = remarked(entry.path(), remarks);
    const std::string stem = entry.path().stem().string();
    const bool several = stem.starts_with("frames") || stem == "pages";
    EXPECT_EQ(remarks, several ? std::vector{std::string(kSeveralImages)} : std::vector<std::string>{});
    EXPECT_EQ(image_info(entry.path()).remarks, remarks);
    const auto expected = file_bytes(entry.path().string() + ".rgb");
    const auto info = image_info(entry.path());
    ASSERT_EQ(image.sizes(), (std::vector<int64_t>{info.size.height, info.size.width, 3}));
    ASSERT_EQ(std::ssize(expected), image.numel());
    const auto pillows = at::from_blob(const_cast<char*>(expected.data()), image.sizes(), at::kByte);
    EXPECT_TRUE(image.equal(pillows)) << image << pillows;
  }
  EXPECT_EQ(files, 39);
}

TEST_F(ImageTest, SixteenBitsAreDividedBy257ToTheNearest) {
  const std::vector<uint16_t> values = {0, 128, 129, 255, 256, 257, 385, 386, 32896, 65407, 65535};
  const auto expected = at::tensor({0, 0, 1, 1, 1, 1, 1, 2, 128, 255, 255}, at::kByte);
  const int count = static_cast<int>(values.size());
  cv::Mat grey(1, count, CV_16U), color(1, count, CV_16UC3), alpha(1, count, CV_16UC4);
  std::string bytes;
  for (int x = 0; x < count; ++x) {
    const uint16_t value = values[static_cast<size_t>(x)];
    grey.at<uint16_t>(0, x) = value;
    color.at<cv::Vec3w>(0, x) = cv::Vec3w(value, value, value);
    alpha.at<cv::Vec4w>(0, x) = cv::Vec4w(value, value, value, 1000);
    bytes += {static_cast<char>(value >> 8), static_cast<char>(value)};
  }
  const auto size = " " + std::to_string(count) + " 1 65535\n";
  const std::vector<std::pair<std::string, std::string>> files = {
      {"grey.png", encoded(grey, ".png")},
      {"color.png", encoded(color, ".png")},
      {"alpha.png", encoded(alpha, ".png")},
      {"grey.tif", encoded(grey, ".tif")},
      {"color.tif", encoded(color, ".tif")},
      {"alpha.tif", encoded(alpha, ".tif")},
      {"grey.pgm", "P5" + size + bytes},
      {"grey.pam",
       "P7\nWIDTH " + std::to_string(count) + "\nHEIGHT 1\nDEPTH 1\nMAXVAL 65535\nENDHDR\n" + bytes},
      {"white_is_zero.tif", white_is_zero(bytes)}};
  for (const auto& [name, content] : files) {
    SCOPED_TRACE(name);
    const at::Tensor image = read_image(folder_.write(name, content));
    ASSERT_EQ(image.sizes(), (std::vector<int64_t>{1, count, 3}));
    const auto wanted = name == "white_is_zero.tif" ? 255 - expected : expected;
    for (int channel = 0; channel < 3; ++channel)
      EXPECT_TRUE(image[0].select(1, channel).equal(wanted)) << image[0].select(1, channel);
  }
}

// Pillow reads no PAM.
TEST_F(ImageTest, TheAlphaOfAPamIsDropped) {
  const auto read = [&](const std::string& fields, const std::string& pixels) {
    return read_image(folder_.write("a.pam", "P7\nHEIGHT 1\n" + fields + "ENDHDR\n" + pixels)).flatten();
  };
  EXPECT_TRUE(read("WIDTH 2\nDEPTH 4\nMAXVAL 255\n", "\x0a\x14\x1e\x01\x32\x28\x3c\x02")
                  .equal(at::tensor({10, 20, 30, 50, 40, 60}, at::kByte)));
  EXPECT_TRUE(read("WIDTH 2\nDEPTH 2\nMAXVAL 100\n", "\x0a\x14\x64\x01")
                  .equal(at::tensor({26, 26, 26, 255, 255, 255}, at::kByte)));
  EXPECT_TRUE(read("WIDTH 2\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\n", std::string("\1\0", 2))
                  .equal(at::tensor({255, 255, 255, 0, 0, 0}, at::kByte)));
}

TEST_F(ImageTest, PixelsThatNoByteHoldsAreRefusedByName) {
  cv::Mat floats(4, 4, CV_32F, cv::Scalar(0.5)), colors(4, 4, CV_32FC3, cv::Scalar(1, 2, 3));
  cv::Mat signed_8(4, 4, CV_8S, cv::Scalar(-1)), signed_32(4, 4, CV_32S, cv::Scalar(7));
  for (const auto& [name, bytes, said] : std::vector<std::array<std::string, 3>>{
           {"grey.tif", encoded(floats, ".tif"), "has float pixels; convert it to 8 or 16 bits"},
           {"color.tif", encoded(colors, ".tif"), "has float pixels"},
           {"color.pfm", encoded(colors, ".pfm"), "has float pixels"},
           {"grey.pfm", encoded(floats, ".pfm"), "has float pixels"},
           {"color.hdr", encoded(colors, ".hdr"), "has float pixels"},
           {"a.exr", "v/1\x01 and so on", "has float pixels"},
           {"12_bits.jpg", std::string("\xff\xd8\xff\xc0\0\x11\x0c\0\x10\0\x10\x03\xff\xd9", 14),
            "has 12-bit pixels"},
           {"signed.tif", encoded(signed_8, ".tif"), "has signed pixels"},
           {"long.tif", encoded(signed_32, ".tif"), "has signed pixels"}}) {
    const auto file = folder_.write(name, bytes);
    EXPECT_THAT(read_error(file), HasSubstr(said));
    EXPECT_EQ(message_of<DataError>([&] { image_info(file); }), read_error(file));
  }
}

TEST_F(ImageTest, KindsThatAreNotReadAreNamed) {
  using namespace std::string_literals;
  for (const auto& [bytes, name] : std::vector<std::array<std::string, 2>>{
           {"GIF89a\x01", "(GIF); convert it to JPEG or PNG"},
           {"\0\0\0\x18"s + "ftypheic", "(HEIC); convert it"},
           {"\0\0\0\x18"s + "ftypavif", "(AVIF); convert it"},
           {"8BPS\0\1"s, "(Photoshop file)"},
           {"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"}}) {
    EXPECT_THAT(read_error(folder_.write("a.jpg", bytes)), HasSubstr(name));
  }
}

TEST_F(ImageTest, JpegPixelsAreOpenCvs) {
  const cv::Mat color = smooth(61, 83), grey = smooth(61, 83, CV_8U);
  for (const auto& [image, flags] :
       {std::pair(color, std::vector<int>{}),
        {color, {cv::IMWRITE_JPEG_PROGRESSIVE, 1}},
        {color, {cv::IMWRITE_JPEG_QUALITY, 30, cv::IMWRITE_JPEG_RST_INTERVAL, 2}},
        {grey, {}}}) {
    const auto file = folder_.write("a.jpg", encoded(image, ".jpg", flags));
    const cv::Mat expected = cv::imread(file.string(), cv::IMREAD_COLOR);
    const auto bgr = at::from_blob(expected.data, {61, 83, 3}, at::kByte);
    EXPECT_TRUE(read_image(file).equal(bgr.flip(2)));
  }
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

TEST_F(ImageTest, TellsTheOrientationThatExifSays) {
  const std::string jpeg = encoded(smooth(16, 24), ".jpg");
  EXPECT_EQ(image_info(folder_.write("plain.jpg", jpeg)).orientation, 1);
  EXPECT_EQ(image_info(folder_.write("a.png", encoded(smooth(16, 24), ".png"))).orientation, 1);
  for (char orientation = 0; orientation < 12; ++orientation) {
    const int expected = orientation >= 1 && orientation <= 8 ? orientation : 1;
    for (const std::string& content : {exif(orientation), little_exif(orientation)}) {
      const auto info = image_info(folder_.write("a.jpg", with_app1(jpeg, content)));
      EXPECT_EQ(info.orientation, expected);
      EXPECT_EQ(info.size, (ImageSize{16, 24}));
    }
  }
  // After another segment of the kind, which is XMP's.
  EXPECT_EQ(image_info(folder_.write("a.jpg", with_app1(with_app1(jpeg, exif(8)), "http://ns"))).orientation,
            8);
}

TEST_F(ImageTest, DamagedExifSaysNothingAndHarmsNothing) {
  const std::string jpeg = encoded(smooth(16, 24), ".jpg");
  const auto orientation = [&](const std::string& content) {
    const auto info = image_info(folder_.write("a.jpg", with_app1(jpeg, content)));
    EXPECT_EQ(info.size, (ImageSize{16, 24}));
    return info.orientation;
  };
  for (const std::string& whole : {exif(6), little_exif(6)}) {
    const size_t value = whole.find('\x06', whole.size() - 12);  // all that the answer needs
    for (size_t length = 0; length <= whole.size(); ++length) {
      EXPECT_EQ(orientation(whole.substr(0, length)), length > value + (whole == exif(6) ? 0 : 1) ? 6 : 1)
          << length;
    }
  }
  std::mt19937 random(11);
  for (int i = 0; i < 300; ++i) {
    std::string content = little_exif(6);
    for (int changes = 0; changes < 3; ++changes)
      content[6 + random() % (content.size() - 6)] = static_cast<char>(random());
    EXPECT_THAT(orientation(content), AllOf(Ge(1), Le(8)));
  }
}

TEST_F(ImageTest, ATiffsOrientationIsIgnoredToo) {
  const auto file = folder_.write("turned.tif", turned_tiff());
  ASSERT_EQ(cv::imread(file.string()).rows, 2) << "the file does not ask to be turned";
  EXPECT_EQ(image_info(file).orientation, 6);
  EXPECT_EQ(image_info(file).size, (ImageSize{1, 2}));
  const at::Tensor image = read_image(file);
  EXPECT_TRUE(image.equal(at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).view({1, 2, 3}))) << image;
}

TEST_F(ImageTest, InfosOfManyFilesAreInTheirOrder) {
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < 40; ++i) {
    const bool good = i % 7 != 3;
    files.push_back(folder_.write(std::to_string(i), good ? encoded(smooth(4 + i, 5), ".jpg") : "no image"));
  }
  for (const int64_t threads : {1, 3, 100}) {
    const auto infos = image_infos(files, threads);
    ASSERT_EQ(infos.size(), files.size());
    for (size_t i = 0; i < infos.size(); ++i) {
      if (i % 7 == 3) {
        EXPECT_THAT(std::get<DataError>(infos[i]).what(), HasSubstr(files[i].string()));
      } else {
        EXPECT_EQ(std::get<ImageInfo>(infos[i]).size, (ImageSize{static_cast<int64_t>(4 + i), 5}));
      }
    }
  }
  EXPECT_TRUE(image_infos({}).empty());
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
  using namespace std::string_literals;
  const auto flat = folder_.write("flat.jpg", "\xff\xd8\xff\xc0\0\x11\x08\0\0\0\x10\x03\xff\xd9"s);
  EXPECT_THAT(read_error(flat), HasSubstr("16 x 0 pixels"));
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

// Both end markers are there, so that only the decoder can notice.
TEST_F(ImageTest, NoticesDamagedJpegData) {
  for (const bool progressive : {false, true}) {
    SCOPED_TRACE(progressive);
    const std::string jpeg = encoded(smooth(64, 80), ".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, progressive});
    testing::internal::CaptureStderr();
    const auto half = folder_.write("half.jpg", jpeg.substr(0, jpeg.size() / 2) + "\xff\xd9");
    EXPECT_THAT(read_error(half), AllOf(HasSubstr("is damaged: "), HasSubstr("remove it")));
    EXPECT_EQ(image_size(half), (ImageSize{64, 80})) << "the header is whole";
    std::string zeros = jpeg;
    zeros.replace(jpeg.size() / 2, jpeg.size() / 4, jpeg.size() / 4, '\0');
    EXPECT_THAT(read_error(folder_.write("zeros.jpg", zeros)), HasSubstr("is damaged: "));
    const auto more = folder_.write("more.jpg", jpeg.substr(0, jpeg.size() - 2) + "1234567890123456\xff\xd9");
    EXPECT_THAT(read_error(more), AllOf(HasSubstr("is damaged: "), HasSubstr("extraneous bytes")));
    const auto even = folder_.write("even.jpg", jpeg.substr(0, jpeg.size() - 2) + "1\xff\xd9");
    EXPECT_TRUE(read_image(even).equal(read_image(folder_.write("whole.jpg", jpeg))));
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  }
}

TEST_F(ImageTest, SpareBytesBeforeAJpegsEndAreNoDamage) {
  for (const auto& flags : std::vector<std::vector<int>>{{},
                                                         {cv::IMWRITE_JPEG_PROGRESSIVE, 1},
                                                         {cv::IMWRITE_JPEG_OPTIMIZE, 1},
                                                         {cv::IMWRITE_JPEG_RST_INTERVAL, 3}}) {
    SCOPED_TRACE(testing::PrintToString(flags));
    const std::string jpeg = encoded(smooth(64, 80), ".jpg", flags);
    const std::string data = jpeg.substr(0, jpeg.size() - 2), end = "\xff\xd9";
    const at::Tensor image = read_image(folder_.write("whole.jpg", jpeg));
    for (const size_t count : {1, 2, 16, 258, 5000}) {
      SCOPED_TRACE(count);
      std::vector<std::string> remarks;
      EXPECT_TRUE(
          remarked(folder_.write("spare.jpg", data + std::string(count, '\0') + end), remarks).equal(image));
      if (count >= 16) {  // a few are in the decoder's buffer before it could count them
        EXPECT_EQ(remarks, std::vector{std::string(kSpareBytes)});
      }
      const auto filled = data + std::string(count, '\xff') + end;
      EXPECT_TRUE(remarked(folder_.write("filled.jpg", filled), remarks).equal(image));
      const auto tail = data + std::string(count, '\0') + end + "appended";
      EXPECT_TRUE(remarked(folder_.write("tail.jpg", tail), remarks).equal(image));
    }
  }
}

// Zeros in the place of data can be decoded, too, and the image may end in their midst.
TEST_F(ImageTest, ZerosInThePlaceOfAJpegsDataAreDamage) {
  for (const auto& flags : std::vector<std::vector<int>>{{},
                                                         {cv::IMWRITE_JPEG_PROGRESSIVE, 1},
                                                         {cv::IMWRITE_JPEG_OPTIMIZE, 1},
                                                         {cv::IMWRITE_JPEG_RST_INTERVAL, 3}}) {
    SCOPED_TRACE(testing::PrintToString(flags));
    const std::string jpeg = encoded(smooth(64, 80), ".jpg", flags);
    for (const size_t lost : {20, 40, 100, 300}) {
      for (const size_t zeros : {lost - 2, size_t{5000}, size_t{50000}}) {
        const auto file = folder_.write(
            "zeros.jpg", jpeg.substr(0, jpeg.size() - lost) + std::string(zeros, '\0') + "\xff\xd9");
        EXPECT_THAT(read_error(file), HasSubstr("is damaged: "))
            << lost << " bytes lost, " << zeros << " zeros";
      }
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

std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i);
  return text;
}

/// A bitmap's headers alone.
std::string bmp_header(uint32_t header_size, int32_t width, int32_t height) {
  const auto u = [](int32_t value) { return little_endian(static_cast<uint32_t>(value), 4); };
  return "BM" + little_endian(54, 4) + little_endian(0, 4) + little_endian(54, 4) +
         little_endian(header_size, 4) + u(width) + u(height) + little_endian(1, 2) + little_endian(24, 2) +
         little_endian(0, 24);
}

std::string tiff_header(uint32_t width, uint32_t height) {
  return "II*" + std::string(1, '\0') + little_endian(8, 4) + little_endian(2, 2) + little_endian(256, 2) +
         little_endian(4, 2) + little_endian(1, 4) + little_endian(width, 4) + little_endian(257, 2) +
         little_endian(4, 2) + little_endian(1, 4) + little_endian(height, 4) + little_endian(0, 4);
}

// tests/oracle/make_image_headers.py has written them.
TEST_F(ImageTest, KnowsTheSizeOfEveryKindFromItsHeader) {
  int kinds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RCNN_FIXTURES "/images/image_header")) {
    SCOPED_TRACE(entry.path());
    ++kinds;
    const auto info = image_info(entry.path());
    EXPECT_EQ(info.size, (ImageSize{5, 7}));
    EXPECT_EQ(info.orientation, entry.path().filename().string().starts_with("turned") ? 6 : 1);
    const bool several = entry.path().stem() == "frames" || entry.path().stem() == "pages";
    EXPECT_EQ(info.remarks.size(), several);
    EXPECT_EQ(read_image(entry.path()).sizes(), (std::vector<int64_t>{5, 7, 3}));
    // However short it is cut, it is an error or still the same picture's header.
    const auto bytes = file_bytes(entry.path());
    for (size_t kept = 1; kept < bytes.size(); kept += 1 + kept / 8) {
      try {
        EXPECT_EQ(image_info(folder_.write("cut", bytes.substr(0, kept))).size, (ImageSize{5, 7})) << kept;
      } catch (const DataError&) {
        continue;
      }
    }
  }
  EXPECT_EQ(kinds, 28);
}

TEST_F(ImageTest, TheSizesInHeadersAreOpenCvs) {
  std::mt19937 random(3);
  for (const std::string ending : {".jpg", ".png", ".bmp", ".tif", ".webp", ".jp2", ".ppm", ".pgm", ".ras"}) {
    for (int i = 0; i < 5; ++i) {
      const int rows = 33 + static_cast<int>(random() % 70), cols = 33 + static_cast<int>(random() % 70);
      const auto picture = smooth(rows, cols, ending == ".pgm" ? CV_8U : CV_8UC3);
      EXPECT_EQ(image_size(folder_.write("a" + ending, encoded(picture, ending))), (ImageSize{rows, cols}))
          << ending;
    }
  }
}

TEST_F(ImageTest, RefusesHugeImagesBeforeDecoding) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"huge.png",
       "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s + big_endian(60000) + big_endian(60000) + "\x08\x02\0\0\0"s},
      {"overflow.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s + big_endian(0xffffffff) + big_endian(0xffffffff)},
      {"huge.jpg", "\xff\xd8\xff\xc0\0\x11\x08\x9c\x40\x9c\x40\x03\xff\xd9"s},
      {"huge.bmp", bmp_header(40, 1 << 30, 1 << 30)},
      {"upside_down.bmp", bmp_header(40, 1 << 30, -2147483647 - 1)},
      {"huge.tif", tiff_header(30000, 30000)},
      {"overflow.tif", tiff_header(0xffffffff, 0xffffffff)},
      {"huge.webp", "RIFF\x20\0\0\0WEBPVP8L\x10\0\0\0\x2f\xfe\xbf\xff\x0f\0\0\0\0\0\0\0\0\0\0"s},
      {"canvas.webp", "RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\0\0"s},
      {"huge.ppm", "P6\n# wide\n2000000000 2000000000\n255\n"},
      {"huge.pam", "P7\nWIDTH 90000\nHEIGHT 90000\nDEPTH 3\nMAXVAL 255\nENDHDR\n"},
      {"huge.ras", "\x59\xa6\x6a\x95"s + big_endian(90000) + big_endian(90000)},
      {"huge.j2k", "\xff\x4f\xff\x51"s + std::string(4, '\0') + big_endian(90000) + big_endian(90000) +
                       std::string(8, '\0') + big_endian(90000) + big_endian(90000) + std::string(8, '\0') +
                       std::string(1, '\0') + "\x03"},
  };
  const double before = test::resident_bytes();
  testing::internal::CaptureStderr();
  for (const auto& [name, bytes] : files) {
    const auto file = folder_.write(name, bytes);
    const auto error = read_error(file);
    EXPECT_THAT(error, AllOf(HasSubstr("more than 100 megapixels"), HasSubstr("--max-megapixels"),
                             HasSubstr("data.max_megapixels")));
    EXPECT_EQ(message_of<DataError>([&] { image_info(file); }), error);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_LT(test::resident_bytes() - before, 50e6);
  EXPECT_THAT(read_error(folder_.path() / "huge.jpg"), HasSubstr("40000 x 40000"));
}

TEST_F(ImageTest, HeadersThatMakeNoSenseAreRefusedWithoutAWordOfTheDecoders) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"header.bmp", bmp_header(0x7fffffff, 100, 100)},
      {"cut.bmp", bmp_header(40, 100, 100)},
      {"width.bmp", bmp_header(40, -100, 100)},
      {"none.tif", "II*\0\x08\0\0\0\0\0"s},
      {"far.tif", "II*\0\xff\xff\xff\x7f"s},
      {"unknown.webp", "RIFF\x20\0\0\0WEBPVP8?"s},
      {"words.ppm", "P6\nten ten\n255\n"},
      {"digits.ppm", "P6\n99999999999999999999 1\n255\n"},
      {"twice.pam", "P7\nWIDTH 4\nWIDTH 5\nHEIGHT 1\nENDHDR\n"},
      {"boxes.jp2", "\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0junk"s},
      {"tiles.j2k", "\xff\x4f\xff\x51"s + std::string(4, '\0') + big_endian(250) + big_endian(250) +
                        std::string(8, '\0') + big_endian(1) + big_endian(1) + std::string(8, '\0') +
                        std::string(1, '\0') + "\x03"},
  };
  testing::internal::CaptureStderr();
  for (const auto& [name, bytes] : files) {
    EXPECT_THAT(read_error(folder_.write(name, bytes)), HasSubstr("cut off")) << name;
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ImageTest, FilesLargerThanAnyImageAreRefusedUnread) {
  const double before = test::resident_bytes();
  const auto sparse = [&](const std::string& name, const std::string& begin, uintmax_t size) {
    const auto file = folder_.write(name, begin);
    std::filesystem::resize_file(file, size);
    return file;
  };
  EXPECT_THAT(read_error(sparse("zeros.jpg", "", 20'000'000'000)),
              HasSubstr("has 20000000000 bytes, more than an image of 100 megapixels takes"));
  EXPECT_THAT(read_error(sparse("some_zeros.jpg", "", 1'000'000'000)), HasSubstr("no image of a kind"));
  for (const std::string ending : {".jpg", ".png", ".bmp", ".webp", ".ppm"}) {
    const auto file = sparse("a" + ending, encoded(smooth(16, 24), ending), 1'000'000'000);
    EXPECT_THAT(read_error(file), HasSubstr("more than its 24 x 16 pixels take")) << ending;
  }
  EXPECT_LT(test::resident_bytes() - before, 50e6);
}

TEST_F(ImageTest, TheBoundIsTheCallers) {
  const auto file = folder_.write("a.jpg", encoded(smooth(1000, 1001), ".jpg"));
  EXPECT_THAT(message_of<DataError>([&] { read_image(file, 1); }), HasSubstr("more than 1 megapixels"));
  EXPECT_THAT(message_of<DataError>([&] { image_size(file, 1); }), HasSubstr("more than 1 megapixels"));
  EXPECT_TRUE(std::holds_alternative<DataError>(image_infos({file}, 1, 1)[0]));
  EXPECT_EQ(read_image(file, 2).size(1), 1001);
  for (const int64_t bound : {int64_t{0}, kMostMegapixels + 1})
    EXPECT_THROW(read_image(file, bound), c10::Error);
}

TEST_F(ImageTest, ACutFileIsSeenWithoutDecoding) {
  for (const std::string ending : {".bmp", ".tif", ".webp", ".ppm", ".jpg"}) {
    const auto bytes = encoded(smooth(64, 80), ending);
    const auto file = folder_.write("cut" + ending, bytes.substr(0, bytes.size() / 2));
    EXPECT_THAT(message_of<DataError>([&] { image_info(file); }), HasSubstr("cut off")) << ending;
  }
}

// Whatever a file holds: an image or a DataError, never a crash or another exception.
TEST_F(ImageTest, DamagedBytesGiveAnImageOrAnError) {
  std::mt19937 random(7);
  int images = 0, errors = 0;
  testing::internal::CaptureStderr();  // the decoders complain there
  for (const std::string ending : {".jpg", ".png", ".bmp", ".webp", ".tif"}) {
    const std::string whole = encoded(smooth(32, 32), ending);
    for (int i = 0; i < 60; ++i) {
      std::string bytes = whole;
      for (int flips = 0; flips < 4; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
      const auto file = folder_.write("damaged" + ending, bytes);
      try {
        EXPECT_EQ(read_image(file).dim(), 3);
        ++images;
      } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr("damaged"));
        ++errors;
      }
    }
  }
  testing::internal::GetCapturedStderr();
  EXPECT_GT(images, 0);
  EXPECT_GT(errors, 0);
}

}  // namespace
}  // namespace rcnn::data
