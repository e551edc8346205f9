// mmdetection's weights in configs/necks find and learn what its own Faster R-CNN over FPN and PAFPN does
// (tests/oracle/make_mmdetection.py): from uint8 pixels, half of which are resized, to boxes in them; and
// from boxes in them to losses and gradients, with every candidate sampled. In float64, so that a difference
// is one of method.

#include <rcnn/boxes/box.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/nn/weights/weight_names.h>

#include "tests/nn/models/oracle.h"
#include "tests/parity/detections.h"
#include "tests/parity/parity.h"
#include "tests/support/goldens.h"
#include "tests/support/name_tree.h"
#include "tests/support/temp_folder.h"

namespace rcnn {
namespace {

using nlohmann::json;

/// The oracle's weight of this name.
at::Tensor weight_of(const std::string& name, at::IntArrayRef shape, uint32_t stream) {
  const auto tensor = at::empty(shape, at::kDouble);
  double scale = 0.1, offset = 0;
  if (tensor.dim() > 1) {
    scale = std::sqrt(3.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(tensor.numel()));
  } else if (name.ends_with("bn3.weight")) {
    scale = 0.05, offset = 0.15;
  } else if (name.ends_with("running_var") || name.ends_with("weight")) {
    scale = 0.2, offset = 1;
  }
  for (int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data_ptr<double>()[i] = nn::noise(static_cast<uint32_t>(i), stream) * scale + offset;
  return tensor.to(at::kFloat);
}

/// Those of a detector, under mmdetection's names.
nn::TensorMap weights_of(const json& detector) {
  nn::TensorMap weights;
  uint32_t stream = 0;
  for (const auto& [name, shape] : test::names_in(detector.at("weights"))) {
    weights[name] = name.ends_with("num_batches_tracked") ? torch::zeros({}, at::kLong)
                                                          : weight_of(name, shape, stream++);
  }
  for (const auto& [layer, spread] : detector.at("spread").items()) {
    weights.at(layer + ".weight").mul_(spread.at("scale").get<double>());
    weights.at(layer + ".bias") = torch::tensor(spread.at("bias").get<std::vector<float>>());
  }
  return weights;
}

/// The oracle's image: uint8 [H, W, 3].
at::Tensor image_of(const json& size, int64_t stream) {
  const auto height = size.at(0).get<int64_t>(), width = size.at(1).get<int64_t>();
  const auto image = at::empty({height, width, 3}, at::kByte);
  for (int64_t i = 0; i < image.numel(); ++i) {
    const auto y = i / (3 * width), x = i / 3 % width, c = i % 3;
    const auto waves = (x * x / (17 + 5 * stream) + y * (3 + c) + x * y / (40 + 10 * c)) % 256;
    const auto noise =
        std::floor((nn::noise(static_cast<uint32_t>(i), static_cast<uint32_t>(500 + stream)) + 1) * 40);
    image.data_ptr<uint8_t>()[i] = static_cast<uint8_t>((waves + static_cast<int64_t>(noise)) % 256);
  }
  return image;
}

at::Tensor boxes_of(const json& boxes) {
  const auto all = torch::zeros({std::ssize(boxes), 4});
  for (int64_t i = 0; i < all.size(0); ++i) {
    for (int64_t j = 0; j < 4; ++j)
      all[i][j] = boxes[static_cast<size_t>(i)][static_cast<size_t>(j)].get<float>();
  }
  return all;
}

/// The parameter is a neck of the golden's.
class MmdetectionParity : public testing::TestWithParam<std::string> {
 protected:
  const json& detector() const { return golden_.at("detectors").at(GetParam()); }
  int64_t number(const char* key) const { return golden_.at(key).get<int64_t>(); }

  /// The shipped config, as narrow as the oracle's.
  config::Config shipped(std::vector<std::string> overrides = {}) const {
    for (const auto& [key, value] : {std::pair("data.min_size", "min_size"),
                                     {"data.max_size", "max_size"},
                                     {"model.backbone.width", "width"},
                                     {"model.neck.channels", "channels"},
                                     {"model.roi.head.hidden", "hidden"}}) {
      overrides.push_back(fmt::format("{}={}", key, number(value)));
    }
    overrides.insert(overrides.end(), {"model.rpn.test.pre_nms=300", "model.rpn.test.post_nms=200"});
    return test::shipped_config("necks/resnet50_" + GetParam() + "_coco", overrides);
  }

  /// The weights in a file of mmdetection's names, converted as a user does it.
  nn::DescribedModel converted(const config::Config& config) const {
    const TempFolder folder;
    std::vector<Category> categories;
    for (int64_t id = 1; id <= number("classes"); ++id) categories.push_back({id, fmt::format("{}", id)});
    const auto theirs = folder.path() / "epoch_12.pth", ours = folder.path() / "ours.safetensors";
    io::write_torch(theirs, weights_of(detector()));
    const auto conversion = nn::convert_weights(theirs, ours, {.config = config, .categories = categories});
    EXPECT_EQ(conversion.source, nn::WeightNames::mmdetection);
    EXPECT_TRUE(conversion.left_out.empty());
    EXPECT_TRUE(conversion.fresh.empty());
    return nn::load_model(ours);
  }

  std::vector<at::Tensor> images() const {
    std::vector<at::Tensor> images;
    for (const auto& size : golden_.at("sizes")) images.push_back(image_of(size, std::ssize(images)));
    return images;
  }

  const json golden_ = test::golden("mmdetection.json");
};

TEST_P(MmdetectionParity, AMixedBatchGivesItsDetections) {
  const auto config = shipped();
  auto loaded = converted(config);
  loaded.model->to(at::kDouble);
  const TensorDetector detector({loaded.model, loaded.categories, config}, at::kCPU);
  const auto images = this->images();
  const auto found = detector.detect(images);
  ASSERT_EQ(found.size(), images.size());
  int resized = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    SCOPED_TRACE(fmt::format("image {}", i));
    const ImageSize size{images[i].size(0), images[i].size(1)};
    resized += detector.network_size(size) != size;
    const auto& want = this->detector().at("detections").at(i);
    const auto wanted =
        test::to_list(boxes_of(want.at("boxes")), torch::tensor(want.at("scores").get<std::vector<float>>()),
                      torch::tensor(want.at("labels").get<std::vector<int64_t>>()));
    EXPECT_GE(wanted.size(), 50u);
    const auto got = to_list(found[i]);
    EXPECT_EQ(got.size(), wanted.size());
    EXPECT_EQ(test::without_partner(got, wanted, 1e-3, 1e-5), 0);
    EXPECT_EQ(test::without_partner(wanted, got, 1e-3, 1e-5), 0);
    const auto off = test::farthest(wanted, got);
    fmt::print("{}, image {}: {} of {} detections, boxes off by {:.1e} pixels, scores by {:.1e}\n",
               GetParam(), i, got.size(), wanted.size(), off.pixels, off.score);
  }
  EXPECT_EQ(resized, 2);
}

TEST_P(MmdetectionParity, LossesAndGradientsAreItsOwn) {
  constexpr size_t kImages = 3;  // those that have objects
  const auto config = shipped({"model.rpn.batch_per_image=1000000", "model.rpn.positive_fraction=1",
                               "model.roi.batch_per_image=1000000", "model.roi.positive_fraction=1",
                               "model.rpn.train.pre_nms=100", "model.rpn.train.post_nms=40"});
  const auto model = converted(config).model;
  model->to(at::kDouble);
  model->train();
  ImageBatch batch{.images = images(), .sizes = {}};
  batch.images.resize(kImages);
  std::vector<Target> targets;
  for (size_t i = 0; i < kImages; ++i) {
    const auto& truth = golden_.at("truths").at(i);
    const ImageSize size{batch.images[i].size(0), batch.images[i].size(1)};
    batch.sizes.push_back(
        data::resized(size, number("min_size"), number("max_size"), model->pixels().resize));
    targets.push_back({boxes::rescale(boxes_of(truth.at("boxes")), size, batch.sizes[i]),
                       torch::tensor(truth.at("labels").get<std::vector<int64_t>>()), torch::zeros({0, 4})});
  }
  const auto losses = model->losses(batch, targets);
  ASSERT_EQ(losses.size(), 4u);
  at::Tensor sum = torch::zeros({}, at::kDouble);
  double loss_off = 0, gradient_off = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    const auto value = detector().at("losses").at(i).get<double>();
    const double off = std::abs(losses[i].value.item<double>() / value - 1);
    EXPECT_LE(off, 1e-5) << losses[i].name << " is not " << value;  // mmdetection's are float32's
    loss_off = std::max(loss_off, off);
    sum = sum + losses[i].value;
  }
  sum.backward();

  // Tensors of the weights' shapes and of the gradients' lengths.
  const auto shapes = test::names_in(detector().at("weights"));
  nn::TensorMap lengths;
  for (const auto& [name, length] : detector().at("gradients").items()) {
    lengths[name] = torch::zeros(shapes.at(name), at::kDouble);
    lengths[name].view(-1)[0] = length.get<double>();
  }
  const auto wanted = nn::to_torchvision(lengths, nn::WeightNames::mmdetection).tensors;
  std::string worst;
  for (const auto& item : model->named_parameters()) {
    const auto& gradient = item.value().grad();
    EXPECT_EQ(gradient.defined(), wanted.contains(item.key())) << item.key();
    if (!gradient.defined() || !wanted.contains(item.key())) continue;
    const auto norm = wanted.at(item.key()).norm().item<double>();
    const double off = std::abs(gradient.norm().item<double>() - norm) / (norm + 1e-6);
    EXPECT_LE(off, 1e-4) << item.key() << ": " << norm;  // mmdetection's are float32's
    if (off > gradient_off) worst = item.key();
    gradient_off = std::max(gradient_off, off);
  }
  EXPECT_GT(wanted.size(), 50u);
  fmt::print("{}: losses off by {:.1e}, norms of gradients by {:.1e} (most {})\n", GetParam(), loss_off,
             gradient_off, worst);
}

INSTANTIATE_TEST_SUITE_P(, MmdetectionParity, testing::Values("fpn", "pafpn"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace rcnn
