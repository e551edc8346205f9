#include <rcnn/config/config.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/segmentation_model.h>
#include <rcnn/nn/registry.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

/// Labels a pixel by its brightness.
class Brightness : public SegmentationModelImpl {
 public:
  explicit Brightness(int64_t classes) : scale_(register_parameter("scale", at::ones({classes}))) {}
  std::vector<Loss> losses(const ImageBatch&, const std::vector<Target>&) override {
    return {{"loss", scale_.sum()}};
  }
  std::vector<at::Tensor> segment(const ImageBatch& images) override {
    std::vector<at::Tensor> maps;
    for (const auto& image : images.images) maps.push_back((image.select(2, 0) > 127).to(at::kByte));
    return maps;
  }
  const PixelOptions& pixels() const override { return pixels_; }
  bool depends_on_classes(std::string_view name) const override { return name == "scale"; }

 private:
  at::Tensor scale_;
  PixelOptions pixels_;
};

TEST(Model, OfAnotherKindIsMadeByNameAndHasNoBoxes) {
  models().add("segment_by_brightness",
               [](const config::Node&, int64_t classes) { return std::make_shared<Brightness>(classes); });
  const auto config = config::Config::parse(R"({"model": {"type": "segment_by_brightness"}})", "f.json");
  const auto node = config.root().child("model");
  const auto model = make_model(node, 3);
  EXPECT_EQ(model->parameters()[0].size(0), 3);
  EXPECT_TRUE(model->depends_on_classes("scale"));
  EXPECT_EQ(model->classes_in({}), 0) << "does not say";
  auto& segmenter = dynamic_cast<SegmentationModelImpl&>(*model);
  const auto white = at::full({2, 3, 3}, 255, at::kByte);
  EXPECT_TRUE(test::identical(segmenter.segment({{white}, {{2, 3}}})[0], at::ones({2, 3}, at::kByte)));
  EXPECT_EQ(message_of<ConfigError>([&] { make_detection_model(node, 3); }),
            "f.json: model.type: finds no boxes: it is a model of another kind");
}

}  // namespace
}  // namespace rcnn::nn
