// The shipped configs, with torchvision's weights in them, find what torchvision's constructors find, from
// uint8 pixels to boxes in them: resizing, normalising and padding included.

#include <rcnn/infer/detector.h>

#include "tests/parity/detections.h"
#include "tests/parity/parity.h"

namespace rcnn {
namespace {

class DetectionParity : public test::Parity<testing::TestWithParam<std::string>> {
 protected:
  void SetUp() override { read(GetParam()); }

  Detector detector() const {
    const auto proposals = metadata("proposals");
    const int64_t min_size = std::stoll(metadata("min_size"));
    const auto config = test::shipped_config(
        "torchvision/" + GetParam(),
        {"model.rpn.test.pre_nms=" + proposals, "model.rpn.test.post_nms=" + proposals,
         fmt::format("data.min_size={}", min_size), fmt::format("data.max_size={}", min_size * 1333 / 800)});
    std::vector<Category> categories;
    for (int64_t id = 1; id <= test::kCocoClasses; ++id) categories.push_back({id, fmt::format("{}", id)});
    return Detector({test::parity_model(config, GetParam()), categories, config}, at::kCPU);
  }
};

TEST_P(DetectionParity, AMixedBatchGivesTorchvisionsDetections) {
  const auto images = list("image"), boxes = list("boxes"), scores = list("scores"), labels = list("labels");
  const auto found = detector().detect(images);
  ASSERT_EQ(found.size(), images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    SCOPED_TRACE(fmt::format("image {}, seed {}", i, metadata("seed")));
    EXPECT_GE(found[i].size(), 50u);
    test::expect_same(found[i], test::to_list(boxes[i], scores[i], labels[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(, DetectionParity, testing::Values("fasterrcnn_resnet18_fpn"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace rcnn
