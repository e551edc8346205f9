// What detectron2's configs change, against a reference of it (tests/oracle/detectron2_reference.py).

#include <rcnn/boxes/anchors.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/nn/rpn/rpn.h>

#include "tests/parity/parity.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

class Detectron2Parity : public test::Parity<> {
 protected:
  void expect_maps(const std::string& name, const std::string& config) {
    read("detectron2_" + name);
    if (IsSkipped()) return;
    const auto all =
        test::shipped_config("detectron2/" + config, {R"(model.backbone.levels=["c2", "c3", "c4", "c5"])"});
    const auto body = backbones().make(all.root().child("model").child("backbone"));
    load_state(*body, test::parity_weights("detectron2_" + name), name);
    body->to(at::kDouble);
    const torch::NoGradGuard no_grad;
    const auto maps = body->forward(want("images"));
    for (size_t i = 0; i < maps.size(); ++i) {
      const auto& map = want(body->features()[i].name);
      ASSERT_EQ(maps[i].sizes(), map.sizes());
      EXPECT_EQ(map.size(2) * body->features()[i].stride, want("images").size(2));
      EXPECT_LE(test::relative_error(maps[i], map), 1e-12) << i;
    }
  }
};

TEST_F(Detectron2Parity, TheFirst1x1Strides) {
  expect_maps("c4", "faster_rcnn_R_50_C4");
}

TEST_F(Detectron2Parity, TheLastStageIsDilated) {
  expect_maps("dc5", "faster_rcnn_R_50_DC5");
}

TEST_F(Detectron2Parity, RoisArePooledAlignedAndFromTheSameLevels) {
  read("detectron2_pieces");
  if (IsSkipped()) return;
  const std::vector<FeatureSpec> features = {{"p2", 8, 4}, {"p3", 8, 8}, {"p4", 8, 16}, {"p5", 8, 32}};
  const auto maps = list("map");
  const auto fpn = RoiPoolerOptions::from(test::shipped_config("detectron2/faster_rcnn_R_50_FPN")
                                              .root()
                                              .child("model")
                                              .child("roi")
                                              .child("pooler"));
  EXPECT_TRUE(test::close(RoiPooler(features, fpn)(maps, {want("boxes")}), want("pooled"), 1e-5));
  const auto c4 = RoiPoolerOptions::from(test::shipped_config("detectron2/faster_rcnn_R_50_C4")
                                             .root()
                                             .child("model")
                                             .child("roi")
                                             .child("pooler"));
  EXPECT_TRUE(test::close(RoiPooler({features[2]}, c4)({maps[2]}, {want("boxes")}), want("pooled_c4"), 1e-5));
}

TEST_F(Detectron2Parity, AnchorsKeepTheirFractionsAndTheStride) {
  read("detectron2_pieces");
  if (IsSkipped()) return;
  const auto options_of = [](const std::string& name) {
    return RpnOptions::from(test::shipped_config("detectron2/" + name).root().child("model").child("rpn"))
        .anchors;
  };
  boxes::AnchorGenerator c4(options_of("faster_rcnn_R_50_C4"), {16});
  // The reference computes in float64; 1e-4 pixels are two roundings of coordinates up to 1000.
  EXPECT_TRUE(test::close(c4.anchors({{19, 25}}, at::kCPU)[0], want("anchors_c4"), 1e-4));
  boxes::AnchorGenerator fpn(options_of("faster_rcnn_R_50_FPN"), {4, 8, 16, 32, 64});
  const auto anchors = fpn.anchors({{200, 272}, {100, 136}, {50, 68}, {25, 34}, {13, 17}}, at::kCPU);
  EXPECT_TRUE(test::close(anchors[4], want("anchors_p6"), 1e-4));
}

}  // namespace
}  // namespace rcnn::nn
