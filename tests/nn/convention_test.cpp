#include <cmath>

#include <rcnn/boxes/anchors.h>
#include <rcnn/boxes/box.h>
#include <rcnn/boxes/coder.h>
#include <rcnn/config/config.h>
#include <rcnn/nn/convention.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/trunk.h>
#include <rcnn/nn/rpn/proposals.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/goldens.h"
#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using boxes::Convention;

/// A thousandth of VGG16 in py-faster-rcnn's arithmetic; every anchor and RoI counts, so nothing is random.
std::string legacy_model(const std::string& type = "faster_rcnn", const std::string& more = "") {
  return R"({"type": ")" + type + R"(", "legacy": true,
    "backbone": {"type": "vgg16", "width": 4, "frozen_stages": 0},)" +
         (type == "fast_rcnn"
              ? ""
              : R"("rpn": {"anchors": {"sizes": [32, 64]}, "batch_per_image": 1000000, "min_size": 4,
      "train": {"pre_nms": 300, "post_nms": 40}, "test": {"pre_nms": 300, "post_nms": 30}},)") +
         (type == "rpn" ? "" : R"("roi": {"pooler": {"type": "pool", "size": 3}, "head": {"hidden": 16},
      "batch_per_image": 1000000},)") +
         more + R"("size_divisor": 1})";
}

std::shared_ptr<DetectionModelImpl> make_legacy(const std::string& json, int64_t classes = 3) {
  torch::manual_seed(3);
  return make_detection_model(config::Config::parse(json, "f.json").root(), classes);
}

/// Two images, seen at 1.6 and at 2 times their size.
ImageBatch legacy_images() {
  torch::manual_seed(5);
  return {{torch::randint(256, {60, 75, 3}, at::kByte), torch::randint(256, {40, 50, 3}, at::kByte)},
          {{96, 120}, {80, 100}}};
}

Target one_object(const at::Tensor& box, const at::Tensor& ignore) {
  return {box, torch::ones({box.size(0)}, at::kLong), ignore};
}

// The dog of VOC's 000001: corners 48, 240, 195, 371 counted from 1, on 353 x 500 pixels seen as 706 x 1000.
TEST(Convention, OnlyTheNumbersOfPixelsAreScaled) {
  const Frame frame{.image = {500, 353}, .network = {1000, 706}};
  EXPECT_EQ(frame.pixel_width(), 2);
  EXPECT_EQ(frame.pixel_height(), 2);
  const auto at_network_scale = torch::tensor({{47.f, 239.f, 195.f, 371.f}}) * 2;
  const auto network = frame.to_network_pixels(at_network_scale);
  // py-faster-rcnn has 2 * [47, 239, 194, 370].
  EXPECT_TRUE(identical(boxes::trim(network, 1, 1), torch::tensor({{94.f, 478.f, 388.f, 740.f}})));
  EXPECT_TRUE(identical(frame.to_image_pixels(network), at_network_scale));
}

TEST(Convention, EachAxisHasItsScale) {
  const Frame frame{.image = {100, 200}, .network = {150, 400}};
  EXPECT_EQ(frame.pixel_width(), 2);
  EXPECT_EQ(frame.pixel_height(), 1.5);
  EXPECT_TRUE(identical(frame.to_network_pixels(torch::tensor({{0.f, 0.f, 2.f, 1.5f}})),
                        torch::tensor({{0.f, 0.f, 1.f, 1.f}})));
}

TEST(Convention, OfEdgesNothingChanges) {
  const auto images = legacy_images();
  const auto frames = frames_of(images, Convention::edges);
  EXPECT_TRUE(frames.empty());
  const auto box = torch::tensor({{1.f, 2.f, 30.f, 40.f}}), ignore = torch::tensor({{0.f, 0.f, 5.f, 5.f}});
  const std::vector targets = {one_object(box, ignore), one_object(box, ignore)};
  for (const auto& same : {to_network_pixels(targets, frames), without_ignored(targets, frames)}) {
    ASSERT_EQ(same.size(), 2u);
    EXPECT_TRUE(same[1].boxes.is_same(box));
    EXPECT_TRUE(same[1].ignore.is_same(ignore));
  }
  EXPECT_TRUE(to_image_pixels({box}, frames)[0].is_same(box));
}

TEST(Convention, InPixelsGroundTruthIsWithoutIgnoreRegions) {
  const auto images = legacy_images();
  const auto frames = frames_of(images, Convention::pixels);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].image, (ImageSize{60, 75}));
  EXPECT_EQ(frames[0].network, (ImageSize{96, 120}));
  const auto box = torch::tensor({{10.f, 20.f, 30.f, 40.f}}), ignore = torch::tensor({{0.f, 0.f, 5.f, 5.f}});
  const std::vector targets = {one_object(box, ignore), one_object(box, ignore)};
  const auto network = to_network_pixels(targets, frames);
  EXPECT_TRUE(close(network[0].boxes, torch::tensor({{10.f, 20.f, 29.4f, 39.4f}})));
  EXPECT_TRUE(identical(network[1].boxes, torch::tensor({{10.f, 20.f, 29.f, 39.f}})));
  EXPECT_EQ(network[0].ignore.sizes(), (std::vector<int64_t>{0, 4}));
  EXPECT_TRUE(identical(network[0].labels, targets[0].labels));
  EXPECT_TRUE(identical(without_ignored(targets, frames)[1].boxes, box));
}

// proposal_layer.py and, of what it gives, im_detect() with other deltas.
TEST(Legacy, ProposesAndDecodesAsPyFasterRcnn) {
  const auto all = golden("legacy.json");
  const auto& want = all.at("proposals");
  const auto size = [&](const char* key) {
    return ImageSize{want.at(key)[0].get<int64_t>(), want.at(key)[1].get<int64_t>()};
  };
  const Frame frame{.image = size("image"), .network = size("network")};
  EXPECT_NEAR(frame.pixel_width(), want.at("scale").get<double>(), 1e-12);
  const auto map = size("map");
  boxes::AnchorGenerator generator(
      {.spacing = boxes::AnchorOptions::Spacing::stride, .convention = Convention::pixels}, {16});
  const auto probabilities = golden_tensor(want.at("probabilities")).permute({1, 2, 0}).reshape({1, -1});
  const RpnPrediction said{.objectness = {at::log(probabilities / (1 - probabilities))},
                           .deltas = {golden_tensor(want.at("deltas"))
                                          .view({-1, 4, map.height, map.width})
                                          .permute({2, 3, 0, 1})
                                          .reshape({1, -1, 4})}};
  const boxes::BoxCoder coder({.convention = Convention::pixels});
  const auto [proposals, scores, anchors] =
      propose(said, generator.anchors({map}, at::kCPU), {frame.network}, coder,
              {.pre_nms = want.at("pre_nms").get<int64_t>(),
               .post_nms = want.at("post_nms").get<int64_t>(),
               .nms_threshold = want.at("nms_threshold").get<double>(),
               .min_size = want.at("min_size").get<double>()},
              {frame});
  const auto expected = golden_tensor(want.at("boxes"));
  EXPECT_GT(expected.size(0), 10);
  EXPECT_TRUE(close(boxes::trim(proposals[0], 1, 1), expected, 1e-3));  // of up to 136 pixels, in float32
  EXPECT_TRUE(close(scores[0], golden_tensor(want.at("scores")), 1e-5));

  const auto in_image = boxes::rescale(frame.to_image_pixels(proposals[0]), frame.network, frame.image);
  const auto detected = boxes::clip(coder.decode(in_image, golden_tensor(all.at("detected").at("deltas"))),
                                    frame.image, Convention::pixels);
  EXPECT_TRUE(close(boxes::trim(detected, 1, 1), golden_tensor(all.at("detected").at("boxes")), 1e-3));
}

TEST(Legacy, SetsPixelsPaddingAndPoolings) {
  const auto model =
      config::Config::parse(R"({"legacy": true, "backbone": {"type": "vgg16", "width": 1}})", "f.json");
  const auto trunk = make_trunk(model.root());
  EXPECT_EQ(trunk.size_divisor, 1);
  EXPECT_EQ(trunk.pixels.order, PixelOptions::Order::bgr);
  EXPECT_EQ(trunk.pixels.range, 255);
  EXPECT_EQ(trunk.pixels.mean, (std::array{102.9801, 115.9465, 122.7717}));
  EXPECT_EQ(trunk.pixels.std, (std::array{1., 1., 1.}));
  EXPECT_EQ(trunk.pixels.resize, Resize::opencv);
  const torch::NoGradGuard no_grad;
  const ImageBatch batch{{torch::zeros({600, 1000, 3}, at::kByte)}, {{600, 1000}}};
  EXPECT_EQ(trunk.maps(batch, trunk.extractor->parameters().front()).front().sizes().slice(2),
            (std::vector<int64_t>{38, 63}));

  const auto other = make_trunk(config::Config::parse(R"({"legacy": true, "size_divisor": 16,
    "pixels": {"order": "rgb", "resize": "torchvision"}, "backbone": {"type": "vgg16", "width": 1}})",
                                                      "f.json")
                                    .root());
  EXPECT_EQ(other.size_divisor, 16);
  EXPECT_EQ(other.pixels.order, PixelOptions::Order::rgb);
  EXPECT_EQ(other.pixels.resize, Resize::torchvision);
  EXPECT_EQ(other.pixels.range, 255);
}

TEST(Legacy, WhatHasNoSuchFormIsRefused) {
  for (const auto& [json, part] : std::vector<std::pair<std::string, std::string>>{
           {R"({"type": "faster_rcnn", "legacy": 1, "backbone": {"type": "vgg16"}})", "f.json: legacy"},
           {R"({"type": "faster_rcnn", "legacy": true, "backbone": {"type": "resnet18", "width": 8,
               "levels": ["c2", "c3", "c4", "c5"]}, "neck": {"type": "fpn"}})",
            "f.json: legacy: is of the time before pyramids"},
           {R"({"type": "faster_rcnn", "legacy": true, "backbone": {"type": "vgg16", "width": 4},
               "rpn": {"anchors": {"rounded": false}}})",
            "f.json: rpn.anchors.rounded: has no meaning with legacy"},
           {R"({"type": "faster_rcnn", "legacy": true, "backbone": {"type": "vgg16", "width": 4},
               "rpn": {"anchors": {"spacing": "fitted"}}})",
            "f.json: rpn.anchors.spacing: has no meaning with legacy"},
           {R"({"type": "fast_rcnn", "legacy": true, "backbone": {"type": "vgg16", "width": 4},
               "roi": {"pooler": {"aligned": true}, "head": {"hidden": 8}}})",
            "f.json: roi.pooler.aligned: has no meaning with legacy"}}) {
    const auto message = message_of<ConfigError>([&] { make_legacy(json); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(Legacy, NewLayersStartAsPublished) {
  const auto state = state_of(*make_legacy(R"({"type": "faster_rcnn", "legacy": true,
    "backbone": {"type": "vgg16", "width": 8},
    "roi": {"pooler": {"type": "pool", "size": 1}, "head": {"hidden": 2048}}})",
                                           20));
  const auto deviation = [&](const char* name) { return state.at(name).std().item<double>(); };
  EXPECT_NEAR(deviation("rpn.head.conv.0.0.weight"), 0.01, 0.001);
  EXPECT_NEAR(deviation("rpn.head.cls_logits.weight"), 0.01 * std::sqrt(2.), 0.002);  // of 576 numbers
  EXPECT_NEAR(deviation("rpn.head.bbox_pred.weight"), 0.01, 0.001);
  EXPECT_NEAR(deviation("roi_heads.box_predictor.cls_score.weight"), 0.01, 0.0005);
  EXPECT_NEAR(deviation("roi_heads.box_predictor.bbox_pred.weight"), 0.001, 0.00005);
  for (const char* name :
       {"rpn.head.cls_logits.bias", "rpn.head.bbox_pred.bias", "roi_heads.box_predictor.cls_score.bias",
        "roi_heads.box_predictor.bbox_pred.bias"}) {
    EXPECT_EQ(state.at(name).abs().max().item<double>(), 0) << name;
  }
}

// Methods' decisive test: whatever is sampled.
TEST(Legacy, ZeroLogitsCostTheLogarithmOfTheNumberOfAnswers) {
  constexpr int64_t kVocClasses = 20;
  const auto model = make_legacy(legacy_model(), kVocClasses);
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      if (item.key().find("cls_") != std::string::npos) item.value().zero_();
    }
  }
  const auto none = torch::zeros({0, 4});
  const auto losses =
      model->losses(legacy_images(), {one_object(torch::tensor({{10.f, 12.f, 70.f, 60.f}}), none),
                                      one_object(torch::tensor({{5.f, 5.f, 40.f, 44.f}}), none)});
  EXPECT_NEAR(losses.at(0).value.item<double>(), std::log(2), 1e-5) << losses.at(0).name;
  EXPECT_NEAR(losses.at(2).value.item<double>(), std::log(kVocClasses + 1), 1e-5) << losses.at(2).name;
}

TEST(Legacy, IgnoreRegionsCountForNothing) {
  const auto box = torch::tensor({{10.f, 12.f, 70.f, 60.f}}), none = torch::zeros({0, 4});
  const auto everything = torch::tensor({{0.f, 0.f, 120.f, 96.f}});
  auto images = legacy_images();
  images.proposals = {box + 3, box - 5};
  for (const char* type : {"faster_rcnn", "fast_rcnn", "rpn"}) {
    SCOPED_TRACE(type);
    const auto model = make_legacy(legacy_model(type));
    model->train();
    const auto with = model->losses(images, {one_object(box, everything), one_object(box, everything)});
    const auto without = model->losses(images, {one_object(box, none), one_object(box, none)});
    for (size_t i = 0; i < with.size(); ++i)
      EXPECT_TRUE(identical(with[i].value, without[i].value)) << with[i].name;
  }
}

TEST(Legacy, BoxesFoundHaveAPixelOfTheImageAndLieInside) {
  const torch::NoGradGuard no_grad;
  auto images = legacy_images();
  images.proposals = {torch::tensor({{0.f, 0.f, 120.f, 96.f}, {100.f, 80.f, 120.f, 96.f}}),
                      torch::tensor({{0.f, 0.f, 2.f, 2.f}})};
  for (const char* type : {"faster_rcnn", "fast_rcnn", "rpn"}) {
    SCOPED_TRACE(type);
    const auto model = make_legacy(legacy_model(type));
    for (auto& item : model->named_parameters()) {
      if (item.key().find("bbox_pred.bias") != std::string::npos) item.value().normal_(0, 2);
    }
    model->eval();
    const auto found = model->detect(images);
    for (size_t i = 0; i < found.size(); ++i) {
      const Frame frame{.image = {images.images[i].size(0), images.images[i].size(1)},
                        .network = images.sizes[i]};
      ASSERT_GT(found[i].boxes.size(0), 0);
      const auto corners = found[i].boxes.unbind(1);
      constexpr double kRounding = 1e-3;
      EXPECT_GE(found[i].boxes.min().item<double>(), 0);
      // The network's last pixel lies further right than the image's.
      const bool proposals = model->finds_proposals();
      const double right = proposals ? frame.pixel_width() - 1 : 0,
                   below = proposals ? frame.pixel_height() - 1 : 0;
      EXPECT_LE(corners[2].max().item<double>(),
                static_cast<double>(frame.network.width) + right + kRounding);
      EXPECT_LE(corners[3].max().item<double>(),
                static_cast<double>(frame.network.height) + below + kRounding);
      EXPECT_GE((corners[2] - corners[0]).min().item<double>(), frame.pixel_width() - kRounding);
      EXPECT_GE((corners[3] - corners[1]).min().item<double>(), frame.pixel_height() - kRounding);
    }
  }
}

// What Faster R-CNN proposes, given to Fast R-CNN with the same weights, gives the same detections.
TEST(Legacy, StoredProposalsStandForThoseOfTheRpn) {
  const torch::NoGradGuard no_grad;
  const auto faster = make_legacy(legacy_model()), fast = make_legacy(legacy_model("fast_rcnn"));
  auto wanted = state_of(*fast);
  for (auto& item : faster->named_parameters()) {
    if (item.key().find("box_predictor") != std::string::npos) item.value().normal_(0, 0.3);
  }
  const auto state = state_of(*faster);
  for (auto& [name, tensor] : wanted) tensor.copy_(state.at(name));
  faster->eval();
  fast->eval();
  auto images = legacy_images();
  for (const auto& proposals : faster->proposals(images)) images.proposals.push_back(proposals.boxes);
  const auto by_faster = faster->detect(images), by_fast = fast->detect(images);
  for (size_t i = 0; i < by_fast.size(); ++i) {
    ASSERT_GT(by_fast[i].boxes.size(0), 0);
    EXPECT_TRUE(identical(by_fast[i].boxes, by_faster[i].boxes));
    EXPECT_TRUE(identical(by_fast[i].scores, by_faster[i].scores));
  }
}

// All RoIs are the hardest where there are not more than that: each is seen in the same pixels in both
// passes.
TEST(Legacy, HardExamplesThatAreAllThereAreCostWhatTheyCost) {
  const auto none = torch::zeros({0, 4});
  const std::vector<Target> truth = {one_object(torch::tensor({{10.f, 12.f, 70.f, 60.f}}), none),
                                     one_object(torch::tensor({{5.f, 5.f, 40.f, 44.f}}), none)};
  auto images = legacy_images();
  images.proposals = {
      torch::tensor({{8.f, 8.f, 72.f, 56.f}, {64.f, 16.f, 112.f, 88.f}}),
      torch::tensor({{2.f, 6.f, 44.f, 42.f}, {20.f, 40.f, 90.f, 78.f}, {60.f, 2.f, 98.f, 30.f}})};
  for (const char* type : {"faster_rcnn", "fast_rcnn"}) {
    SCOPED_TRACE(type);
    const auto losses = [&](const std::string& keys) {
      auto json = legacy_model(type);
      json.insert(json.rfind("},"), ", " + keys);
      const auto model = make_legacy(json);
      model->train();
      return model->losses(images, truth);
    };
    const auto all = losses(R"("positive_fraction": 1)"), hard = losses(R"("ohem": {"nms_threshold": 1})");
    ASSERT_EQ(all.size(), hard.size());
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_TRUE(close(all[i].value, hard[i].value, 1e-5)) << all[i].name;
  }
}

TEST(Legacy, OffIsTheSameAsAbsent) {
  const auto losses = [](const std::string& key) {
    const auto model = make_legacy(R"({"type": "faster_rcnn", )" + key + R"(
      "backbone": {"type": "vgg16", "width": 4}, "roi": {"head": {"hidden": 8}}})");
    const auto none = torch::zeros({0, 4});
    const auto box = torch::tensor({{10.f, 12.f, 70.f, 60.f}});
    torch::manual_seed(7);
    return model->losses(legacy_images(), {one_object(box, none), one_object(box, none)});
  };
  const auto absent = losses(""), off = losses(R"("legacy": false,)"), on = losses(R"("legacy": true,)");
  for (size_t i = 0; i < absent.size(); ++i) {
    EXPECT_TRUE(identical(absent[i].value, off[i].value)) << absent[i].name;
    EXPECT_FALSE(identical(absent[i].value, on[i].value)) << absent[i].name;
  }
}

}  // namespace
}  // namespace rcnn::nn
