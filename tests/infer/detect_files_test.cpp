#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/infer/detect_files.h>

#include "tests/infer/colour_finder.h"
#include "tests/support/temp_folder.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DetectFiles : public testing::Test {
 protected:
  /// A dark picture with one bright box as wide as `number`, so that its result tells it.
  fs::path picture(int64_t number, int64_t height = 100, int64_t width = 100) {
    const auto image = dark(height, width);
    paint(image, {10, 10, static_cast<float>(10 + number), 60}, 1);
    const auto file = folder_.path() / (std::to_string(number) + ".png");
    data::write_image(file, image);
    return file;
  }
  std::vector<FileResult> results(const std::vector<fs::path>& files,
                                  const DetectFilesOptions& options = {}) {
    std::vector<FileResult> all;
    times_ = detect_files(detector_, files, options, [&](FileResult result, const DetectFilesTimes&) {
      all.push_back(std::move(result));
      return true;
    });
    return all;
  }

  const TempFolder folder_;
  const std::shared_ptr<ColourFinder> finder_ = std::make_shared<ColourFinder>();
  const TensorDetector detector_{described(finder_), at::kCPU};
  DetectFilesTimes times_;
};

TEST_F(DetectFiles, GivesEachFilesResultInOrder) {
  std::vector<fs::path> files;
  for (int64_t i = 1; i <= 11; ++i) files.push_back(picture(i));
  for (const DetectFilesOptions& options :
       {DetectFilesOptions{.batch = 1, .decoders = 1}, DetectFilesOptions{.batch = 4, .decoders = 3},
        DetectFilesOptions{.batch = 50, .decoders = 20}}) {
    const auto all = results(files, options);
    ASSERT_THAT(all, SizeIs(11));
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].index, i);
      EXPECT_EQ(all[i].error, "");
      EXPECT_EQ(all[i].image.sizes(), (at::IntArrayRef{100, 100, 3}));
      ASSERT_THAT(all[i].detections, SizeIs(1));
      EXPECT_EQ(all[i].detections[0].box, (Box{10, 10, static_cast<float>(11 + i), 60}));
    }
    EXPECT_GT(times_.decode, 0);
    EXPECT_GT(times_.network, 0);
  }
  EXPECT_THAT(finder_->sizes.back(), SizeIs(11));
}

TEST_F(DetectFiles, SaysWhatIsOddAboutAFile) {
  const auto pages = fs::path(RCNN_FIXTURES "/images/image_header/pages.tif");
  const auto all = results({picture(1), pages});
  EXPECT_THAT(all[0].remarks, IsEmpty());
  EXPECT_EQ(all[1].error, "");
  EXPECT_THAT(all[1].remarks, ElementsAre(HasSubstr("several pages")));
}

TEST_F(DetectFiles, OfNoFilesThereIsNothing) {
  EXPECT_THAT(results({}), IsEmpty());
}

TEST_F(DetectFiles, ABadImageIsSaidAndTheOthersGoOn) {
  const auto bad = folder_.write("bad.jpg", "no image"), gone = folder_.path() / "gone.jpg";
  for (const int64_t batch : {1, 3}) {
    const auto all = results({bad, picture(1), gone, picture(2), bad}, {.batch = batch});
    ASSERT_THAT(all, SizeIs(5));
    EXPECT_THAT(all[0].error, HasSubstr(bad.string()));
    EXPECT_THAT(all[2].error, AllOf(HasSubstr(gone.string()), HasSubstr("No such file")));
    for (const size_t i : {0, 2, 4}) EXPECT_FALSE(all[i].image.defined());
    for (const size_t i : {1, 3}) EXPECT_THAT(all[i].detections, SizeIs(1));
  }
  EXPECT_THAT(results({bad, bad}, {.batch = 2}),
              Each(testing::Field(&FileResult::error, HasSubstr("bad.jpg"))));
}

TEST_F(DetectFiles, ABatchThatIsTooLargeGoesOneByOne) {
  finder_->most_pixels = 100 * 100;
  const auto all = results({picture(1), picture(2), picture(3)}, {.batch = 3});
  EXPECT_THAT(all, Each(testing::Field(&FileResult::error, "")));
  EXPECT_THAT(all, Each(testing::Field(&FileResult::detections, SizeIs(1))));
  EXPECT_THAT(finder_->sizes, SizeIs(4));
}

TEST_F(DetectFiles, AnImageThatIsTooLargeIsNamedWithWhatToLower) {
  finder_->most_pixels = 100 * 100;
  const auto large = picture(9, 150, 300);
  const auto all = results({picture(1), large, picture(2)}, {.batch = 3});
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_THAT(all[1].error,
              AllOf(HasSubstr(large.string()), HasSubstr("memory ran out"), HasSubstr("300 x 150"),
                    HasSubstr("200 x 100"), HasSubstr("lower --scales or data.max_size")));
  EXPECT_FALSE(all[1].image.defined());
  for (const size_t i : {0, 2}) EXPECT_THAT(all[i].detections, SizeIs(1));
}

TEST_F(DetectFiles, AnErrorOfTheNetworkIsNoImagesFault) {
  finder_->broken = true;
  const auto first = picture(1);
  for (const int64_t batch : {1, 2}) {
    try {
      results({first, picture(2), picture(3)}, {.batch = batch});
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 1);
      EXPECT_EQ(std::string(error.what()), first.string() + ": the network is broken");
    }
  }
}

TEST_F(DetectFiles, TheCallerMayEndIt) {
  std::vector<fs::path> files;
  for (int64_t i = 1; i <= 20; ++i) files.push_back(picture(i));
  for (const int64_t batch : {1, 4}) {
    size_t seen = 0;
    detect_files(detector_, files, {.batch = batch},
                 [&](const FileResult&, const DetectFilesTimes&) { return ++seen < 2; });
    EXPECT_EQ(seen, 2u);
  }
}

TEST_F(DetectFiles, WhatTheCallbackThrowsComesOut) {
  std::vector<fs::path> files;
  for (int64_t i = 1; i <= 20; ++i) files.push_back(picture(i));
  EXPECT_THROW(detect_files(detector_, files, {.decoders = 4},
                            [](const FileResult&, const DetectFilesTimes&) -> bool {
                              throw std::runtime_error("enough");
                            }),
               std::runtime_error);
}

TEST_F(DetectFiles, AViewThatIsTooLargeIsItsImagesErrorAlone) {
  const TensorDetector detector(described(finder_), at::kCPU, {.min_sizes = {10000}});
  const std::vector<fs::path> files = {picture(1, 100, 100), picture(2, 100, 300)};
  for (const int64_t batch : {1, 2}) {
    std::vector<FileResult> all;
    detect_files(detector, files, {.batch = batch}, [&](FileResult result, const DetectFilesTimes&) {
      all.push_back(std::move(result));
      return batch > 1 || all.size() < 2;
    });
    ASSERT_THAT(all, SizeIs(2));
    EXPECT_THAT(all[1].error,
                AllOf(HasSubstr("2.png"), HasSubstr("300 x 100"), HasSubstr("more than 100 megapixels")));
    EXPECT_FALSE(all[1].image.defined());
  }
}

}  // namespace
}  // namespace rcnn
