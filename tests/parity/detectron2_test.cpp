// The configs of configs/detectron2, with detectron2's weights in them, find and learn what detectron2's own
// detectors do (tests/oracle/detectron2_parity.py): from uint8 pixels, which are resized, to boxes in them;
// and from boxes in them to losses and gradients, with every candidate sampled. In float64, so that a
// difference is one of method.

#include <rcnn/boxes/box.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/weight_names.h>

#include "tests/parity/detections.h"
#include "tests/parity/parity.h"

namespace rcnn {
namespace {

constexpr int64_t kClasses = 80;

/// The parameter is the end of the config's name.
class Detectron2Parity : public test::Parity<testing::TestWithParam<std::string>> {
 protected:
  std::string name() const { return "detectron2_" + GetParam(); }

  /// The shipped config at the golden's sizes.
  config::Config shipped(std::vector<std::string> overrides) const {
    overrides.push_back("data.min_size=" + metadata("min_size"));
    overrides.push_back("data.max_size=" + metadata("max_size"));
    if (metadata("hidden") != "0") overrides.push_back("model.roi.head.hidden=" + metadata("hidden"));
    return test::shipped_config("detectron2/faster_rcnn_" + GetParam(), overrides);
  }

  std::shared_ptr<nn::DetectionModelImpl> model(const config::Config& config) const {
    const auto node = config.root().child("model");
    auto model = nn::make_detection_model(node, kClasses);
    const auto file = std::filesystem::path(RCNN_PARITY) / (name() + ".weights.pth");
    nn::load_state(*model, nn::read_weights(file, nn::WeightNamesOptions::from(node)).tensors, file.string());
    model->to(at::kDouble);
    return model;
  }
};

TEST_P(Detectron2Parity, AMixedBatchOfResizedImagesGivesItsDetections) {
  read(name());
  if (IsSkipped()) return;
  const auto config =
      shipped({"model.rpn.test.pre_nms=300", "model.rpn.test.post_nms=" + metadata("proposals")});
  std::vector<Category> categories;
  for (int64_t id = 1; id <= kClasses; ++id) categories.push_back({id, fmt::format("{}", id)});
  const TensorDetector detector({model(config), categories, config}, at::kCPU);
  const auto images = list("image"), boxes = list("boxes"), scores = list("scores"), labels = list("labels");
  const auto found = detector.detect(images);
  ASSERT_EQ(found.size(), images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    SCOPED_TRACE(fmt::format("image {}", i));
    const ImageSize size{images[i].size(0), images[i].size(1)};
    EXPECT_NE(detector.network_size(size), size);
    EXPECT_GE(found[i].scores.size(0), 50);
    const auto got = to_list(found[i]), wanted = test::to_list(boxes[i], scores[i], labels[i]);
    test::expect_same(got, wanted);
    const auto off = test::farthest(wanted, got);
    fmt::print("{}, image {}: {} of {} detections, boxes off by {:.1e} pixels, scores by {:.1e}\n",
               GetParam(), i, got.size(), wanted.size(), off.pixels, off.score);
  }
}

class Detectron2Losses : public Detectron2Parity {};

TEST_P(Detectron2Losses, AndGradientsAreItsOwn) {
  read(name() + ".training");
  if (IsSkipped()) return;
  const auto config = shipped({"model.rpn.batch_per_image=1000000", "model.roi.batch_per_image=1000000",
                               "model.roi.positive_fraction=0.5", "model.rpn.train.pre_nms=200",
                               "model.rpn.train.post_nms=" + metadata("proposals")});
  const auto model = this->model(config);
  model->train();
  ImageBatch batch{.images = list("image"), .sizes = {}};
  std::vector<Target> targets;
  const auto boxes = list("boxes"), labels = list("labels");
  for (size_t i = 0; i < boxes.size(); ++i) {
    const ImageSize size{batch.images[i].size(0), batch.images[i].size(1)};
    batch.sizes.push_back(data::resized(size, std::stoll(metadata("min_size")),
                                        std::stoll(metadata("max_size")), model->pixels().resize));
    targets.push_back({boxes::rescale(boxes[i], size, batch.sizes[i]), labels[i], torch::zeros({0, 4})});
  }

  const auto losses = model->losses(batch, targets);
  at::Tensor sum = torch::zeros({}, at::kDouble);
  double loss_off = 0, gradient_off = 0;
  std::string worst;
  for (size_t i = 0; i < losses.size(); ++i) {
    const auto value = want("losses")[static_cast<int64_t>(i)].item<double>();
    EXPECT_GT(value, 1e-3) << losses[i].name;
    const double off = std::abs(losses[i].value.item<double>() / value - 1);
    EXPECT_LE(off, 1e-5) << losses[i].name;
    loss_off = std::max(loss_off, off);
    sum = sum + losses[i].value;
  }
  sum.backward();

  nn::TensorMap theirs;
  for (const auto& [name, tensor] : golden_.tensors) {
    if (name.starts_with("gradient.")) theirs.emplace(name.substr(sizeof("gradient.") - 1), tensor);
  }
  const auto gradients = nn::to_torchvision(theirs, nn::WeightNames::detectron2,
                                            nn::WeightNamesOptions::from(config.root().child("model")));
  EXPECT_TRUE(gradients.left_out.empty());
  EXPECT_GT(gradients.tensors.size(), 50u);
  // Boxes are float32, and a last digit of an RoI opens or closes ReLUs: pixels that move by 1e-7 move
  // detectron2's own gradients of FPN by 2e-2. What is wrong in a loss is a share of whole gradients.
  constexpr double kTolerance = 5e-3;  // 6e-7 to 5e-4 seen
  for (const auto& item : model->named_parameters()) {
    const auto wanted = gradients.tensors.find(item.key());
    EXPECT_EQ(item.value().grad().defined(), wanted != gradients.tensors.end()) << item.key();
    if (!item.value().grad().defined() || wanted == gradients.tensors.end()) continue;
    const double off = test::relative_error(item.value().grad(), wanted->second);
    EXPECT_LE(off, kTolerance) << item.key();
    if (off > gradient_off) worst = item.key();
    gradient_off = std::max(gradient_off, off);
  }
  fmt::print("{}: losses off by {:.1e}, gradients by {:.1e} of their length (most {})\n", GetParam(),
             loss_off, gradient_off, worst);
}

INSTANTIATE_TEST_SUITE_P(, Detectron2Parity, testing::Values("R_50_FPN", "R_50_C4", "R_50_DC5"),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(, Detectron2Losses, testing::Values("R_50_FPN", "R_50_C4"),
                         [](const auto& info) { return info.param; });
// Its backward pass has nothing that these lack, and takes as long as both.
INSTANTIATE_TEST_SUITE_P(Nightly, Detectron2Losses, testing::Values("R_50_DC5"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace rcnn
