// The shipped configs, with torchvision's weights in them, find what torchvision's constructors find, from
// uint8 pixels to boxes in them: resizing, normalising and padding included. In float64, where a difference
// is one of method; and in float32, where the seed is one whose choices do not hang on a last digit.

#include <rcnn/infer/tensor_detector.h>
#include <rcnn/nn/models/model_file.h>

#include "tests/parity/detections.h"
#include "tests/parity/parity.h"

namespace rcnn {
namespace {

/// The parameter is a case of make_parity.py.
class DetectionParity : public test::Parity<testing::TestWithParam<std::string>> {
 protected:
  void SetUp() override { read(GetParam()); }

  TensorDetector detector(at::ScalarType precision) const {
    const auto proposals = metadata("proposals");
    const int64_t min_size = std::stoll(metadata("min_size"));
    const auto config = test::shipped_config(
        "torchvision/" + GetParam().substr(0, GetParam().find('.')),
        {"model.rpn.test.pre_nms=" + proposals, "model.rpn.test.post_nms=" + proposals,
         fmt::format("data.min_size={}", min_size), fmt::format("data.max_size={}", min_size * 1333 / 800)});
    std::vector<Category> categories;
    for (int64_t id = 1; id <= test::kCocoClasses; ++id) categories.push_back({id, fmt::format("{}", id)});
    const auto model = test::parity_model(config, GetParam());
    model->to(precision);
    return TensorDetector({model, categories, config}, at::kCPU);
  }

  void expect_torchvisions(const TensorDetector& detector) const {
    const auto images = list("image"), boxes = list("boxes"), scores = list("scores"),
               labels = list("labels");
    const auto found = detector.detect(images);
    ASSERT_EQ(found.size(), images.size());
    for (size_t i = 0; i < images.size(); ++i) {
      SCOPED_TRACE(fmt::format("image {}, seed {}", i, metadata("seed")));
      EXPECT_GE(found[i].scores.size(0), 50);
      test::expect_same(to_list(found[i]), test::to_list(boxes[i], scores[i], labels[i]));
    }
  }
};
class Float32DetectionParity : public DetectionParity {};

TEST_P(DetectionParity, AMixedBatchGivesTorchvisionsDetections) {
  expect_torchvisions(detector(at::kDouble));
}

TEST_P(Float32DetectionParity, AMixedBatchGivesTorchvisionsDetections) {
  expect_torchvisions(detector(at::kFloat));
}

const auto kNameOfCase = [](const auto& info) { return info.param.substr(0, info.param.find('.')); };

INSTANTIATE_TEST_SUITE_P(, DetectionParity,
                         testing::Values("fasterrcnn_resnet50_fpn_v2", "fasterrcnn_resnet18_fpn"),
                         kNameOfCase);
// One as it is published, of 800 pixels; and more of the others' blocks, which BackboneParity has.
INSTANTIATE_TEST_SUITE_P(Nightly, DetectionParity,
                         testing::Values("fasterrcnn_resnet50_fpn", "fasterrcnn_resnet34_fpn",
                                         "fasterrcnn_resnet101_fpn", "fasterrcnn_resnet152_fpn"),
                         kNameOfCase);
INSTANTIATE_TEST_SUITE_P(, Float32DetectionParity, testing::Values("fasterrcnn_resnet18_fpn.float32"),
                         kNameOfCase);

}  // namespace
}  // namespace rcnn
