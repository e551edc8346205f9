// Losses, gradients and ten steps of SGD of torchvision's constructors in training mode. Every anchor and RoI
// is sampled in both programs, so nothing is random; both compute in float64, so that a difference is one of
// method.

#include <rcnn/boxes/box.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/train/solver.h>

#include "tests/parity/parity.h"

namespace rcnn::train {
namespace {

constexpr int64_t kMinSize = 96, kMaxSize = 160;

class TrainingParity : public test::Parity<testing::TestWithParam<std::string>> {
 protected:
  void SetUp() override {
    read(GetParam() + ".training");
    if (IsSkipped()) return;
    const auto config = test::shipped_config(
        "torchvision/" + GetParam(),
        {"model.rpn.batch_per_image=1000000", "model.roi.batch_per_image=1000000",
         "model.roi.positive_fraction=0.5", "model.rpn.train.pre_nms=200", "model.rpn.train.post_nms=50"});
    model_ = test::parity_model(config, GetParam() + ".training");
    model_->to(at::kDouble);
    model_->train();
    batch_.images = list("image");
    const auto boxes = list("boxes"), labels = list("labels");
    for (size_t i = 0; i < boxes.size(); ++i) {
      const ImageSize size{batch_.images[i].size(0), batch_.images[i].size(1)};
      batch_.sizes.push_back(data::resized(size, kMinSize, kMaxSize));
      targets_.push_back({boxes::rescale(boxes[i], size, batch_.sizes[i]), labels[i], torch::zeros({0, 4})});
    }
  }

  /// The four losses; their gradients are in the parameters.
  at::Tensor losses() {
    model_->zero_grad();
    std::vector<at::Tensor> values;
    for (const auto& loss : model_->losses(batch_, targets_)) values.push_back(loss.value);
    const auto all = at::stack(values);
    all.sum().backward();
    return all.detach();
  }

  void expect_to_follow(int64_t steps);

  std::shared_ptr<nn::DetectionModelImpl> model_;
  ImageBatch batch_;
  std::vector<Target> targets_;
};

TEST_P(TrainingParity, LossesAndGradientsAreTorchvisions) {
  const auto got = losses(), want = this->want("losses")[0];
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_GT(want[i].item<double>(), 1e-3);
    EXPECT_NEAR(got[i].item<double>() / want[i].item<double>(), 1, 1e-5) << "loss " << i;
  }
  size_t with_gradient = 0;
  for (const auto& item : model_->named_parameters()) {
    const auto name = "gradient." + item.key();
    EXPECT_EQ(item.value().grad().defined(), golden_.tensors.contains(name)) << name;
    if (!item.value().grad().defined() || !golden_.tensors.contains(name)) continue;
    EXPECT_LE(test::relative_error(item.value().grad(), this->want(name)), 1e-4) << name;
    ++with_gradient;
  }
  EXPECT_GT(with_gradient, 50u);
}

void TrainingParity::expect_to_follow(int64_t steps) {
  Solver solver(*model_, {.momentum = std::stod(metadata("momentum")),
                          .weight_decay = std::stod(metadata("weight_decay"))});
  solver.set_learning_rate(std::stod(metadata("lr")));
  const auto curve = want("losses");
  ASSERT_LE(steps, curve.size(0));
  for (int64_t step = 0; step < steps; ++step) {
    const auto got = losses();
    for (int64_t i = 0; i < 4; ++i) {
      const auto value = curve[step][i].item<double>();
      EXPECT_NEAR(got[i].item<double>(), value, 1e-5 * std::max(value, 0.1))
          << "loss " << i << ", step " << step;
    }
    solver.step();
  }
  // It went somewhere.
  EXPECT_GT((curve[0] - curve[steps - 1]).abs().sum().item<double>(), 0.1);
  if (steps < curve.size(0)) return;  // the statistics are those of the end
  for (const auto& [name, tensor] : nn::state_of(*model_)) {
    if (name.find("running_") == std::string::npos) continue;
    EXPECT_LE(test::relative_error(tensor, want("statistics." + name)), 1e-4) << name;
  }
}

class SgdParity : public TrainingParity {};

// The second step is the first with momentum, which the third loss shows.
TEST_P(SgdParity, ThreeStepsFollowTorchvisions) {
  expect_to_follow(3);
}

TEST_P(TrainingParity, TenStepsOfSgdFollowTorchvisionsNightly) {
  expect_to_follow(10);
}

INSTANTIATE_TEST_SUITE_P(, TrainingParity,
                         testing::Values("fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2"),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(, SgdParity, testing::Values("fasterrcnn_resnet50_fpn"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace rcnn::train
