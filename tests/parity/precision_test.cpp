// What may not matter: the memory format, the batch, the device; and what bfloat16 may change. On a ResNet-18
// FPN whose scores and boxes are those of a trained one.

#include <ATen/autocast_mode.h>

#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/models/faster_rcnn.h>

#include "tests/parity/detections.h"
#include "tests/parity/parity.h"

namespace rcnn::nn {
namespace {

constexpr const char* kConfig = "torchvision/fasterrcnn_resnet18_fpn";
constexpr const char* kFloat32Case =
    "fasterrcnn_resnet18_fpn.float32";  // whose choices do not hang on a last digit

/// An extractor that gets its input in planes, not channels_last.
class InPlanes : public FeatureExtractorImpl {
 public:
  explicit InPlanes(std::shared_ptr<FeatureExtractorImpl> extractor) : extractor_(std::move(extractor)) {
    for (const auto& part : extractor_->named_children()) register_module(part.key(), part.value());
  }
  Features forward(const at::Tensor& images) override {
    EXPECT_TRUE(images.is_contiguous(at::MemoryFormat::ChannelsLast));
    return extractor_->forward(images.contiguous());
  }
  std::vector<FeatureSpec> levels() const override { return extractor_->levels(); }

 private:
  std::shared_ptr<FeatureExtractorImpl> extractor_;
};

/// bfloat16 autocast of what runs on the CPU, as long as it lives.
class Bfloat16 {
 public:
  Bfloat16() {
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
  }
  ~Bfloat16() {
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::clear_cache();
  }
  Bfloat16(const Bfloat16&) = delete;
  Bfloat16& operator=(const Bfloat16&) = delete;
};

std::vector<Detection> to_list(const Detections& found) {
  return test::to_list(found.boxes.cpu(), found.scores.cpu(), found.labels.cpu());
}

class Precision : public test::Parity<> {
 protected:
  void SetUp() override {
    read(kFloat32Case);
    if (IsSkipped()) return;
    config_ = test::shipped_config(kConfig, {"model.rpn.test.pre_nms=300", "model.rpn.test.post_nms=300"});
    model_ = test::parity_model(*config_, kFloat32Case);
    model_->eval();
  }

  /// The images themselves, and each mirrored: of the same size, but not the same.
  ImageBatch batch(size_t image) const {
    const auto photo = list("image")[image];
    const double height = static_cast<double>(photo.size(0)), width = static_cast<double>(photo.size(1));
    const double scale = std::stod(metadata("min_size")) / std::min(height, width);
    const ImageSize size{static_cast<int64_t>(height * scale), static_cast<int64_t>(width * scale)};
    return {{photo, photo.flip(1).contiguous()}, {size, size}};
  }

  std::optional<config::Config> config_;
  std::shared_ptr<DetectionModelImpl> model_;
};

TEST_F(Precision, TheMemoryFormatDoesNotMatter) {
  const torch::NoGradGuard no_grad;
  const auto node = config_->root().child("model");
  const auto extractor = std::make_shared<InPlanes>(make_feature_extractor(node));
  const auto levels = extractor->levels();
  FasterRcnnImpl in_planes(extractor, Rpn(levels, RpnOptions::from(node.child("rpn"))),
                           make_roi_heads(node.child("roi"), for_rois(levels, levels), test::kCocoClasses),
                           model_->pixels());
  load_state(in_planes, test::parity_weights(kFloat32Case), kFloat32Case);
  in_planes.eval();
  const auto found = model_->detect(batch(1)), planes = in_planes.detect(batch(1));
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_GE(found[i].scores.size(0), 50);
    test::expect_same(to_list(planes[i]), to_list(found[i]));
  }
}

TEST_F(Precision, ABatchFindsWhatItsImagesDoAlone) {
  const torch::NoGradGuard no_grad;
  const auto together = batch(1);
  const auto found = model_->detect(together);
  for (size_t i = 0; i < found.size(); ++i) {
    const auto alone = model_->detect({{together.images[i]}, {together.sizes[i]}});
    test::expect_same(to_list(alone[0]), to_list(found[i]));
  }
}

TEST_F(Precision, AGpuFindsWhatTheCpuDoes) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  const torch::NoGradGuard no_grad;
  // float32 on both sides: a GPU's TensorFloat-32 has ten bits.
  at::globalContext().setAllowTF32CuDNN(false);
  const auto found = model_->detect(batch(1));
  model_->to(at::kCUDA);
  const auto on_gpu = model_->detect(batch(1));
  for (size_t i = 0; i < found.size(); ++i) test::expect_same(to_list(on_gpu[i]), to_list(found[i]));
}

// bfloat16 keeps 8 bits: a rounding is off by up to 2^-9, 0.2 %, and there are some forty in a row on the way
// to a map.
TEST_F(Precision, Bfloat16MovesMapsALittle) {
  const torch::NoGradGuard no_grad;
  auto& model = dynamic_cast<FasterRcnnImpl&>(*model_);
  const auto exact = model.feature_maps(batch(1));
  const Bfloat16 guard;
  const auto rounded = model.feature_maps(batch(1));
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_LE(test::relative_error(rounded[i], exact[i]), 40 * 0.002 / 2) << "map " << i;
  }
}

// A few percent of a map are as much of a logit or a box's offset.
TEST_F(Precision, Bfloat16MovesScoresAndBoxesALittle) {
  const torch::NoGradGuard no_grad;
  const auto exact = model_->detect(batch(1));
  std::vector<Detections> rounded;
  {
    const Bfloat16 guard;
    rounded = model_->detect(batch(1));
  }
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i].boxes.scalar_type(), at::kFloat);
    EXPECT_EQ(rounded[i].scores.scalar_type(), at::kFloat);
    auto want = to_list(exact[i]);
    want.resize(50);  // of 100: the last ones stay behind others of nearly their score
    // One in five: where NMS chose between two boxes of nearly the same score, another one stands for them.
    EXPECT_LE(test::without_partner(want, to_list(rounded[i]), 8, 0.1), 10);
  }
}

TEST_F(Precision, Bfloat16LossesAreNearAndTheirGradientsFloat32) {
  auto model = test::parity_model(
      test::shipped_config(kConfig, {"model.rpn.batch_per_image=1000000", "model.roi.batch_per_image=1000000",
                                     "model.roi.positive_fraction=0.5", "model.rpn.train.post_nms=100"}),
      kFloat32Case);
  model->train();
  const auto images = batch(1);
  const auto target = [](float x, int64_t label) {
    return Target{torch::tensor({{x, 20.f, x + 100, 150.f}}), torch::tensor({label}), torch::zeros({0, 4})};
  };
  const auto run = [&] {
    model->zero_grad();
    std::vector<at::Tensor> values;
    for (const auto& loss : model->losses(images, {target(10, 3), target(90, 7)})) {
      EXPECT_EQ(loss.value.scalar_type(), at::kFloat) << loss.name;
      values.push_back(loss.value);
    }
    return at::stack(values);
  };
  const auto exact = run().detach();
  at::Tensor rounded;
  {
    const Bfloat16 guard;
    rounded = run();
  }
  rounded.sum().backward();
  EXPECT_LE(test::relative_error(rounded, exact), 2e-2) << exact << rounded;
  for (const auto& item : model->named_parameters()) {
    const auto gradient = item.value().grad();
    if (!gradient.defined()) continue;
    EXPECT_EQ(gradient.scalar_type(), at::kFloat) << item.key();
    EXPECT_TRUE(at::isfinite(gradient).all().item<bool>()) << item.key();
  }
}

}  // namespace
}  // namespace rcnn::nn
