#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/error.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/version.h>

#include "tests/infer/lively_model.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"
#include "tests/support/tiny_model.h"

namespace rcnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

void expect_same(const std::vector<Detection>& actual, const std::vector<Detection>& expected,
                 double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].label, expected[i].label);
    EXPECT_NEAR(actual[i].score, expected[i].score, tolerance);
    EXPECT_NEAR(actual[i].box.x1, expected[i].box.x1, 180 * tolerance);
    EXPECT_NEAR(actual[i].box.y1, expected[i].box.y1, 180 * tolerance);
    EXPECT_NEAR(actual[i].box.x2, expected[i].box.x2, 180 * tolerance);
    EXPECT_NEAR(actual[i].box.y2, expected[i].box.y2, 180 * tolerance);
  }
}

TEST(TensorDetector, SeveralImagesInABatchAreEachAsTheyAreAlone) {
  const TensorDetector detector(lively_model(), at::kCPU);
  // 60 x 90 and 55 x 90 for the network, both padded to 64 x 96: a larger padding would show at the border.
  const std::vector<at::Tensor> images = {patches(120, 180, 1), patches(110, 180, 2), patches(120, 180, 3)};
  const auto together = detector.detect(std::span<const at::Tensor>(images));
  ASSERT_EQ(together.size(), images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto alone = to_list(detector.detect(images[i]));
    EXPECT_GT(alone.size(), 2u);
    expect_same(to_list(together[i]), alone, 1e-4);  // convolutions of other batch sizes sum in another order
  }
  EXPECT_NE(to_list(together[0])[0].box, to_list(together[2])[0].box);
}

TEST(TensorDetector, BoxesLieInTheImageAndLabelsAmongTheCategories) {
  const auto model = lively_model();
  {
    const torch::NoGradGuard no_grad;  // boxes seven times as large as their proposals reach every border
    const auto state = nn::state_of(*model.model);
    state.at("roi_heads.box_predictor.bbox_pred.weight").zero_();
    state.at("roi_heads.box_predictor.bbox_pred.bias")
        .copy_(torch::tensor({0.f, 0.f, 10.f, 10.f}).repeat(kLivelyClasses + 1));
  }
  const TensorDetector detector(model, at::kCPU);
  // 90 x (184 / 90) and 90 x (229 / 90) are above 184 and 229 in float; 30 pixels are enlarged.
  const std::vector<at::Tensor> images = {patches(120, 184, 1), patches(229, 120, 2), patches(20, 30, 3),
                                          patches(1, 400, 4)};
  int64_t on_border = 0;
  for (const auto& image : images) {
    const auto detections = to_list(detector.detect(image));
    for (size_t i = 0; i < detections.size(); ++i) {
      const auto& [box, score, label] = detections[i];
      EXPECT_GE(box.x1, 0);
      EXPECT_GE(box.y1, 0);
      EXPECT_LE(box.x2, image.size(1));
      EXPECT_LE(box.y2, image.size(0));
      EXPECT_LT(box.x1, box.x2);
      EXPECT_LT(box.y1, box.y2);
      EXPECT_GE(label, 1);
      EXPECT_LE(label, kLivelyClasses);
      EXPECT_LE(score, i == 0 ? 1 : detections[i - 1].score);
      on_border += box.x2 == static_cast<float>(image.size(1));
    }
  }
  EXPECT_GT(on_border, 0);
}

TEST(TensorDetector, ProposalsLieInTheImageAndAreTheNetworks) {
  const auto model = lively_model();
  const TensorDetector detector(model, at::kCPU);
  const auto image = patches(120, 180, 1);  // twice what the network sees
  const auto proposals = to_list(detector.proposals(image));
  const torch::NoGradGuard no_grad;
  const auto network = std::dynamic_pointer_cast<nn::DetectionModelImpl>(model.model)
                           ->proposals({.images = {image}, .sizes = {{60, 90}}})
                           .front();
  ASSERT_EQ(std::ssize(proposals), network.boxes.size(0));
  EXPECT_GT(proposals.size(), 2u);
  EXPECT_LE(proposals.size(), 20u);  // rpn.test.post_nms
  for (size_t i = 0; i < proposals.size(); ++i) {
    const auto& [box, score, label] = proposals[i];
    const auto row = network.boxes[static_cast<int64_t>(i)];
    EXPECT_FLOAT_EQ(box.x1, 2 * row[0].item<float>());
    EXPECT_FLOAT_EQ(box.y2, 2 * row[3].item<float>());
    EXPECT_EQ(label, 1);
    EXPECT_GT(score, 0);
    EXPECT_LE(score, i == 0 ? 1 : proposals[i - 1].score);
  }
}

/// A detector without an RPN.
class NoProposals : public nn::DetectionModelImpl {
 public:
  explicit NoProposals(Resize resize = Resize::torchvision) : pixels_{.resize = resize} {}
  std::vector<nn::Loss> losses(const ImageBatch&, const std::vector<Target>&) override { return {}; }
  std::vector<Detections> detect(const ImageBatch&) override { return {}; }
  const nn::PixelOptions& pixels() const override { return pixels_; }
  const nn::SuppressionOptions& suppression() const override { return suppression_; }

 private:
  nn::PixelOptions pixels_;
  nn::SuppressionOptions suppression_;
};

TEST(TensorDetector, SaysWhenTheModelMakesNoProposals) {
  auto model = lively_model();
  model.model = std::make_shared<NoProposals>();
  EXPECT_THAT(
      message_of<ConfigError>([&] { TensorDetector(model, at::kCPU).proposals(patches(120, 180, 1)); }),
      HasSubstr("no region proposal network"));
}

TEST(TensorDetector, ResizesToTheSizeThatTheModelsPixelsAskFor) {
  auto model = lively_model();
  const auto size = [&](Resize resize) {
    model.model = std::make_shared<NoProposals>(resize);
    return TensorDetector(model, at::kCPU).network_size({17, 20});
  };
  EXPECT_EQ(size(Resize::torchvision), (ImageSize{60, 70}));  // 70.6
  EXPECT_EQ(size(Resize::pillow), (ImageSize{60, 71}));
  EXPECT_EQ(size(Resize::opencv), (ImageSize{60, 71}));
}

TEST(TensorDetector, NoImagesGiveNoResults) {
  EXPECT_TRUE(TensorDetector(lively_model(), at::kCPU).detect(std::span<const at::Tensor>()).empty());
}

TEST(TensorDetector, AFileGivesWhatItsModelGave) {
  const TempFolder folder;
  const auto model = lively_model();
  const auto file = folder.path() / "model.safetensors";
  nn::save_model(file, model);
  const auto loaded = TensorDetector::load(file, {.device = "cpu"});
  EXPECT_EQ(loaded.categories(), model.categories);
  const auto image = patches(120, 180, 1);
  expect_same(to_list(loaded.detect(image)), to_list(TensorDetector(model, at::kCPU).detect(image)),
              1e-4);  // fused layers round elsewhere
}

TEST(TensorDetector, AModelInUseElsewhereIsNotTakenOver) {
  auto model = lively_model();
  const auto elsewhere = model.model;
  elsewhere->train();
  EXPECT_THAT(test::error_of([&] { TensorDetector(std::move(model), DetectorOptions{.device = "cpu"}); }),
              HasSubstr("must not be in use elsewhere"));
  EXPECT_TRUE(elsewhere->is_training());  // as it was
}

TEST(TensorDetector, SeveralThreadsMayAskAtOnce) {
  const TensorDetector detector(lively_model(), at::kCPU);
  const std::vector<at::Tensor> images = {patches(120, 180, 1), patches(100, 100, 2)};
  const std::vector<std::vector<Detection>> alone = {to_list(detector.detect(images[0])),
                                                     to_list(detector.detect(images[1]))};
  std::vector<std::vector<Detection>> found(8);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < found.size(); ++i) {
      threads.emplace_back([&, i] { found[i] = to_list(detector.detect(images[i % 2])); });
    }
  }
  for (size_t i = 0; i < found.size(); ++i) {
    expect_same(found[i], alone[i % 2], 1e-4);  // a thread may get another number of workers to sum on
  }
}

TEST(TensorDetector, RefusesWhatIsNoImage) {
  const TensorDetector detector(lively_model(), at::kCPU);
  for (const auto& wrong : {torch::zeros({8, 8, 3}), torch::zeros({3, 8, 8}, at::kByte),
                            torch::zeros({8, 8}, at::kByte), torch::zeros({8, 8, 4}, at::kByte)}) {
    EXPECT_THAT(test::error_of([&] { detector.detect(wrong); }), HasSubstr("uint8 [H, W, 3]"))
        << wrong.scalar_type() << wrong.sizes();
  }
  EXPECT_NE(test::error_of([&] { detector.detect(torch::zeros({0, 8, 3}, at::kByte)); }), "");
  EXPECT_NE(test::error_of([&] { detector.detect(at::Tensor()); }), "");
}

/// lively_model() as Fast R-CNN.
nn::DescribedModel lively_fast_rcnn() {
  const auto json = std::string(R"({"type": "fast_rcnn", "backbone": {"type": "vgg16", "width": 4},
    "roi": {"pooler": {"size": 4}, "head": {"hidden": 32}}})");
  const auto model = tiny_model(kLivelyClasses, /*seed=*/5, json.c_str());
  nn::load_initial(*model, nn::state_of(*lively_model().model), "lively");
  auto described = lively_model();
  described.model = model;
  described.config =
      config::Config::parse(R"({"data": {"min_size": 60, "max_size": 90}, "model": )" + json + "}", "here");
  return described;
}

TEST(TensorDetector, ProposalsAreInTheImagesPixels) {
  const auto model = lively_fast_rcnn();
  const TensorDetector detector(model, at::kCPU);
  EXPECT_TRUE(detector.needs_proposals());
  EXPECT_FALSE(detector.finds_proposals());
  const std::vector<at::Tensor> images = {patches(120, 180, 1), patches(60, 90, 2)};
  const std::vector<at::Tensor> proposals = {
      torch::tensor({{10.f, 20.f, 90.f, 110.f}, {100.f, -4.f, 170.f, 70.f}}), torch::zeros({0, 4})};
  const auto found = detector.detect(images, proposals);
  const torch::NoGradGuard no_grad;
  // Half as large for the network, and clipped to the image.
  const auto want =
      std::dynamic_pointer_cast<nn::DetectionModelImpl>(model.model)
          ->detect({.images = images,
                    .sizes = {{60, 90}, {60, 90}},
                    .proposals = {torch::tensor({{5.f, 10.f, 45.f, 55.f}, {50.f, 0.f, 85.f, 35.f}}),
                                  torch::zeros({0, 4})}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_GT(found[0].boxes.size(0), 1);
  EXPECT_TRUE(at::equal(found[0].scores, want[0].scores));
  EXPECT_TRUE(at::allclose(found[0].boxes, want[0].boxes * 2, 1e-5, 1e-4));
  EXPECT_EQ(found[1].boxes.size(0), 0);
}

TEST(TensorDetector, ProposalsAreForModelsThatNeedThem) {
  const auto image = patches(60, 90, 1);
  const auto images = std::span(&image, 1);
  const TensorDetector fast(lively_fast_rcnn(), at::kCPU), faster(lively_model(), at::kCPU);
  EXPECT_THAT(message_of<ConfigError>([&] { fast.detect(image); }), HasSubstr("proposals that it is given"));
  EXPECT_THAT(message_of<ConfigError>([&] { fast.detect(images); }), HasSubstr("proposals that it is given"));
  const auto boxes = torch::tensor({{1.f, 2.f, 30.f, 40.f}});
  EXPECT_THAT(message_of<ConfigError>([&] { faster.detect(images, std::span(&boxes, 1)); }),
              HasSubstr("makes its own proposals"));
  EXPECT_THAT(test::error_of([&] { fast.detect(images, {}); }), HasSubstr("a tensor for each of 1 images"));
  for (const auto& wrong : {torch::zeros({4}), torch::zeros({2, 5}), torch::zeros({2, 4}, at::kLong)}) {
    EXPECT_THAT(test::error_of([&] { fast.detect(images, std::span(&wrong, 1)); }),
                HasSubstr("expected float32 [P, 4]"));
  }
  const auto infinite = boxes / 0;
  EXPECT_THAT(test::error_of([&] { fast.detect(images, std::span(&infinite, 1)); }), HasSubstr("finite"));
}

/// Options say what keys of the description do, and what these say is kept beside them.
TEST(TensorDetector, OptionsRefineWhatIsFound) {
  const TempFolder folder;
  const auto file = folder.path() / "model.safetensors", voting = folder.path() / "voting.safetensors";
  const auto model = lively_model();
  nn::save_model(file, model);
  EXPECT_THAT(overrides_of({}, model.config, file), testing::IsEmpty());
  EXPECT_THAT(overrides_of({.iterations = 2, .box_voting = 0.5}, model.config, file),
              testing::ElementsAre("model.roi.iterations=2", "model.roi.box_voting.iou=0.5"));
  EXPECT_THAT(overrides_of({.box_voting = 0.0}, model.config, file),
              testing::ElementsAre("model.roi.box_voting=null"));

  const auto image = patches(120, 180, 1);
  const auto found = [&](const std::filesystem::path& weights, DetectorOptions options,
                         const std::vector<std::string>& overrides) {
    options.device = "cpu";
    const auto by_options = to_list(TensorDetector::load(weights, options).detect(image));
    const auto by_keys =
        to_list(TensorDetector(nn::load_model(weights, overrides), {.device = "cpu"}).detect(image));
    EXPECT_EQ(by_options.size(), by_keys.size());
    for (size_t i = 0; i < std::min(by_options.size(), by_keys.size()); ++i) {
      EXPECT_EQ(by_options[i].box, by_keys[i].box);
      EXPECT_EQ(by_options[i].score, by_keys[i].score);
    }
    return by_options;
  };
  const auto plain = found(file, {}, {});
  ASSERT_GT(plain.size(), 1u);
  const auto boxes = [](const std::vector<Detection>& detections) {
    std::vector<Box> boxes;
    for (const auto& detection : detections) boxes.push_back(detection.box);
    return boxes;
  };
  EXPECT_NE(boxes(found(file, {.iterations = 2}, {"model.roi.iterations=2"})), boxes(plain));
  const auto voted = found(file, {.box_voting = 0.3}, {"model.roi.box_voting.iou=0.3"});
  EXPECT_NE(boxes(voted), boxes(plain));

  // Weights that vote do so by their own rule, or not at all.
  nn::save_model(voting, nn::load_model(file, std::vector<std::string>{
                                                  R"(model.roi.box_voting={"iou": 0.3, "scores": "avg"})"}));
  const auto averaged = found(voting, {.box_voting = 0.2}, {"model.roi.box_voting.iou=0.2"});
  const auto scores = [](const std::vector<Detection>& detections) {
    std::vector<double> scores;
    for (const auto& detection : detections) scores.push_back(detection.score);
    return scores;
  };
  EXPECT_NE(scores(averaged), scores(plain));
  EXPECT_EQ(boxes(found(voting, {.box_voting = 0.0}, {"model.roi.box_voting=null"})), boxes(plain));
}

TEST(TensorDetector, OptionsOfARegionProposalNetworkAreItsOwn) {
  const TempFolder folder;
  const auto json = std::string(R"({"type": "rpn", "backbone": {"type": "vgg16", "width": 4},
    "rpn": {"anchors": {"sizes": [16, 32, 64]}, "test": {"pre_nms": 100, "post_nms": 20}}})");
  auto described = lively_model();
  const auto model = tiny_model(kLivelyClasses, /*seed=*/5, json.c_str());
  nn::load_initial(*model, nn::state_of(*described.model), "lively");
  described.model = model;
  described.config =
      config::Config::parse(R"({"data": {"min_size": 60, "max_size": 90}, "model": )" + json + "}", "here");
  const auto file = folder.path() / "rpn.safetensors";
  nn::save_model(file, described);
  const auto image = patches(60, 90, 1);
  const auto all = TensorDetector::load(file, {.device = "cpu"});
  EXPECT_TRUE(all.finds_proposals());
  const auto scores = all.detect(image).scores;
  ASSERT_GT(scores.size(0), 4);
  const auto few = TensorDetector::load(file, {.device = "cpu", .max_detections = 3}).detect(image);
  EXPECT_TRUE(at::equal(few.scores, scores.narrow(0, 0, 3)));
  const double middle = (scores[1].item<double>() + scores[2].item<double>()) / 2;
  const auto best = TensorDetector::load(file, {.device = "cpu", .score_threshold = middle}).detect(image);
  EXPECT_EQ(best.scores.size(0), (scores > middle).sum().item<int64_t>());
  EXPECT_LT(TensorDetector::load(file, {.device = "cpu", .nms_threshold = 0.1}).detect(image).scores.size(0),
            scores.size(0) + 1);
  EXPECT_THAT(
      message_of<ConfigError>([&] { TensorDetector::load(file, {.device = "cpu", .nms = "soft_linear"}); }),
      HasSubstr("one kind of NMS"));
  EXPECT_THAT(message_of<ConfigError>([&] { TensorDetector::load(file, {.iterations = 2}); }),
              HasSubstr("leave --iterations"));
  EXPECT_THAT(message_of<ConfigError>([&] { TensorDetector::load(file, {.box_voting = 0.5}); }),
              HasSubstr("leave --box-voting"));
}

}  // namespace
}  // namespace rcnn
