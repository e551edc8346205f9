#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <torch/torch.h>

#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/infer/detector.h>
#include <rcnn/infer/tensor_detector.h>

#include "tests/infer/lively_model.h"
#include "tests/support/german_locale.h"
#include "tests/support/message_of.h"
#include "tests/support/resident_memory.h"
#include "tests/support/temp_folder.h"

namespace rcnn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class DetectorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    nn::save_model(weights(), lively_model());
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::filesystem::path weights() { return folder_->path() / "model.safetensors"; }
  static Detector load(DetectorOptions options = {}) {
    options.device = "cpu";
    return Detector::load(weights(), options);
  }

  /// The same as OpenCV has it.
  static cv::Mat to_bgr(const at::Tensor& image) {
    const cv::Mat rgb(static_cast<int>(image.size(0)), static_cast<int>(image.size(1)), CV_8UC3,
                      image.data_ptr());
    cv::Mat bgr;
    cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
    return bgr;
  }

  static inline std::unique_ptr<TempFolder> folder_;
};

TEST_F(DetectorTest, GivesWhatTheTensorDoorGivesWithIdsAndNames) {
  const auto detector = load();
  const auto image = patches(120, 180, 1);
  const auto rows = to_list(detector.tensors().detect(image));
  const auto objects = detector.detect(to_bgr(image));
  ASSERT_EQ(objects.size(), rows.size());
  ASSERT_GT(objects.size(), 2u);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& category = detector.categories()[static_cast<size_t>(rows[i].label - 1)];
    EXPECT_EQ(objects[i], (DetectedObject{rows[i].box, rows[i].score, category.id, category.name}));
    EXPECT_GE(objects[i].class_id, 10);  // the data set's own, see lively_model()
  }
}

TEST_F(DetectorTest, TakesColourWithAlphaAndGrey) {
  const auto detector = load();
  const auto bgr = to_bgr(patches(120, 180, 1));
  cv::Mat bgra, grey, grey_in_colour;
  cv::cvtColor(bgr, bgra, cv::COLOR_BGR2BGRA);
  cv::cvtColor(bgr, grey, cv::COLOR_BGR2GRAY);
  cv::cvtColor(grey, grey_in_colour, cv::COLOR_GRAY2BGR);
  EXPECT_EQ(detector.detect(bgra), detector.detect(bgr));
  EXPECT_EQ(detector.detect(grey), detector.detect(grey_in_colour));
  EXPECT_NE(detector.detect(grey), detector.detect(bgr));
  // A part of a larger image, whose rows are not one after the other.
  cv::Mat larger(200, 300, CV_8UC3, cv::Scalar(1, 2, 3));
  bgr.copyTo(larger(cv::Rect(50, 40, 180, 120)));
  EXPECT_EQ(detector.detect(larger(cv::Rect(50, 40, 180, 120))), detector.detect(bgr));
}

TEST_F(DetectorTest, ReadsFiles) {
  const auto detector = load();
  const auto image = patches(120, 180, 1);
  const auto file = folder_->path() / "image.png";
  data::write_image(file, image);
  EXPECT_EQ(detector.detect(file), detector.detect(to_bgr(image)));
  EXPECT_THAT(message_of<DataError>([&] { detector.detect("gone.jpg"); }), HasSubstr("gone.jpg"));
}

TEST_F(DetectorTest, SeveralImagesHaveAnEntryEach) {
  const auto detector = load();
  const std::vector<cv::Mat> images = {to_bgr(patches(120, 180, 1)), to_bgr(patches(118, 180, 2))};
  const auto found = detector.detect(images);
  ASSERT_EQ(found.size(), 2u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(found[i].size(), detector.detect(images[i]).size());
  EXPECT_TRUE(detector.detect(std::span<const cv::Mat>()).empty());
}

TEST_F(DetectorTest, EveryErrorIsOneLine) {
  const auto one_line = AllOf(Not(HasSubstr("\n")), Not(HasSubstr("frame #")));
  const auto detector = load();
  for (const auto& [image, said] :
       std::vector<std::pair<cv::Mat, std::string>>{{cv::Mat(), "an image is empty"},
                                                    {cv::Mat(8, 8, CV_32FC3), "got CV_32FC3"},
                                                    {cv::Mat(8, 8, CV_16UC1), "got CV_16UC1"},
                                                    {cv::Mat(8, 8, CV_8UC2), "got 2"}}) {
    EXPECT_THAT(message_of<DataError>([&] { detector.detect(image); }), AllOf(one_line, HasSubstr(said)));
  }
  EXPECT_THAT(message_of<DataError>([&] { detector.detect(folder_->write("text.jpg", "no image")); }),
              one_line);
  EXPECT_THAT(message_of<WeightsError>([] { Detector::load("gone.safetensors"); }),
              AllOf(one_line, HasSubstr("gone.safetensors")));
  EXPECT_THAT(message_of<ConfigError>([] { load({.max_detections = 0}); }),
              AllOf(one_line, HasSubstr("max_detections")));
  EXPECT_THAT(message_of<ConfigError>([] { load({.score_threshold = 1.5}); }),
              AllOf(one_line, HasSubstr("score_threshold")));
  EXPECT_THAT(message_of<Error>([&] { detector.warm_up({.height = -1, .width = 4}); }), one_line);
}

TEST_F(DetectorTest, OptionsStandAboveTheModelsOwn) {
  const auto image = to_bgr(patches(120, 180, 1));
  const auto all = load().detect(image);
  ASSERT_GT(all.size(), 4u);
  EXPECT_EQ(load({.max_detections = 3}).detect(image),
            std::vector<DetectedObject>(all.begin(), all.begin() + 3));
  const auto likely = load({.score_threshold = all[2].score}).detect(image);
  EXPECT_EQ(likely, std::vector<DetectedObject>(all.begin(), all.begin() + 2));  // at least: above it
  EXPECT_GT(load({.nms_threshold = 1, .max_detections = 1000}).detect(image).size(),
            load({.nms_threshold = 0.1, .max_detections = 1000}).detect(image).size());
}

TEST_F(DetectorTest, Bfloat16FindsNearlyTheSame) {
  const auto image = to_bgr(patches(120, 180, 1));
  const auto exact = load().detect(image), rounded = load({.precision = nn::Precision::bf16}).detect(image);
  ASSERT_GT(exact.size(), 2u);
  ASSERT_GT(rounded.size(), 2u);
  EXPECT_NE(exact, rounded);
  EXPECT_EQ(rounded[0].class_name, exact[0].class_name);
  EXPECT_NEAR(rounded[0].score, exact[0].score,
              0.05);  // 8 bits through a dozen layers, whose last are scaled up
}

TEST_F(DetectorTest, EightThreadsShareOne) {
  const auto detector = load();
  const std::vector<cv::Mat> images = {to_bgr(patches(120, 180, 1)), to_bgr(patches(100, 100, 2)),
                                       to_bgr(patches(90, 200, 3))};
  std::vector<size_t> alone;
  for (const auto& image : images) alone.push_back(detector.detect(image).size());
  constexpr size_t kThreads = 8, kCalls = 6;
  std::vector<std::vector<size_t>> found(kThreads);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        for (size_t call = 0; call < kCalls; ++call) {
          found[i].push_back(detector.detect(images[(i + call) % images.size()]).size());
        }
      });
    }
  }
  for (size_t i = 0; i < kThreads; ++i) {
    for (size_t call = 0; call < kCalls; ++call) {
      EXPECT_EQ(found[i].at(call), alone[(i + call) % images.size()]) << "thread " << i << ", call " << call;
    }
  }
}

TEST_F(DetectorTest, MemoryStaysWhereItIsOverAThousandCallsOfMixedSizes) {
  const auto detector = load();
  detector.warm_up();
  std::vector<double> resident;
  for (int call = 0; call < 1000; ++call) {
    const cv::Mat image(20 + call * 37 % 150, 20 + call * 53 % 170, CV_8UC3, cv::Scalar(call % 256, 90, 40));
    detector.detect(image);
    if (call % 100 == 99) resident.push_back(test::resident_bytes());
  }
  // A leak of 10 kB a call would be 5 MB over the second half.
  EXPECT_LT(resident.back() - resident[4], 5e6) << testing::PrintToString(resident);
}

TEST_F(DetectorTest, ADecimalCommaOfTheHostsLocaleChangesNothing) {
  const auto bgr = to_bgr(patches(120, 180, 1));
  const DetectorOptions options{.score_threshold = 0.25, .nms_threshold = 0.45};
  const auto expected = load(options).detect(bgr);
  ASSERT_FALSE(expected.empty());
  const GermanLocale german;
  if (!german) GTEST_SKIP() << GermanLocale::kNone;
  EXPECT_EQ(load(options).detect(bgr), expected);
  // What is written there is read here.
  const auto copy = folder_->path() / "german.safetensors";
  nn::save_model(copy, lively_model());
  EXPECT_EQ(file_bytes(copy), file_bytes(weights()));
}

TEST_F(DetectorTest, AFileWhoseViewIsTooLargeIsNamed) {
  const auto file = folder_->path() / "small.png";
  data::write_image(file, patches(150, 200, 1));
  EXPECT_THAT(message_of<DataError>([&] { load({.views = {.min_sizes = {16384}}}).detect(file); }),
              AllOf(HasSubstr("small.png"), HasSubstr("more than 100 megapixels")));
}

TEST_F(DetectorTest, ANewThreadForEachCallTakesNoMore) {
  const auto detector = load();
  const auto image = to_bgr(patches(60, 90, 1));
  const auto run = [&](int calls) {
    for (int i = 0; i < calls; ++i) std::thread([&] { detector.detect(image); }).join();
  };
  run(60);
  const double before = test::resident_bytes();
  run(120);
  EXPECT_LT(test::resident_bytes() - before, 20e6);
}

}  // namespace
}  // namespace rcnn
