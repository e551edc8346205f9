#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/vgg.h>
#include <rcnn/nn/necks/neck.h>
#include <rcnn/nn/registry.h>

#include "tests/support/message_of.h"

namespace rcnn::nn {
namespace {

config::Node node(const char* json) {
  return config::Config::parse(json, "f.json").root();
}

//! [factory]
std::shared_ptr<BackboneImpl> make_mynet(const config::Node& node) {
  VggOptions options{.width = 1};
  node.read("width", options.width);
  return std::make_shared<VggImpl>(options);
}
//! [factory]

TEST(Registry, AnUnknownNameListsTheKnownOnes) {
  EXPECT_EQ(
      message_of<ConfigError>([] { backbones().make(node(R"({"type": "resnet5"})")); }),
      "f.json: type: unknown type 'resnet5'; known: resnet101, resnet152, resnet18, resnet34, resnet50, "
      "vgg16, vgg16_bn, vgg_cnn_m_1024, zf");
  EXPECT_NE(message_of<ConfigError>([] {
              necks().make(node(R"({"type": "pan"})"), {});
            }).find("known: aug_fpn, bifpn, fpn, nas_fpn, panet, rfp"),
            std::string::npos);
  EXPECT_NE(message_of<ConfigError>([] {
              models().make(node(R"({"type": "yolo"})"), 3);
            }).find("known: fast_rcnn, faster_rcnn, rpn"),
            std::string::npos);
}

TEST(Registry, TheTypeIsRequired) {
  EXPECT_NE(message_of<ConfigError>([] { backbones().make(node("{}")); }).find("type"), std::string::npos);
}

TEST(Registry, AFactoryFromOutsideReadsItsOwnKeys) {
  auto registry = backbones();  // a copy, so that other tests keep the built-in names
  //! [add]
  registry.add("mynet", make_mynet);
  //! [add]
  EXPECT_EQ(registry.make(node(R"({"type": "mynet", "width": 2})"))->features()[0].channels, 16);
  EXPECT_NE(
      message_of<ConfigError>([&] { registry.make(node(R"({"type": "mynet", "widht": 2})")); }).find("width"),
      std::string::npos);
}

TEST(Registry, AFactoryThatGivesNothingIsNamed) {
  auto registry = backbones();
  registry.add("nothing", [](const config::Node&) { return std::shared_ptr<BackboneImpl>(); });
  EXPECT_NE(message_of<c10::Error>([&] {
              registry.make(node(R"({"type": "nothing"})"));
            }).find("the factory of nothing gave nothing"),
            std::string::npos);
}

TEST(Registry, ATakenNameIsRefusedAndKeepsItsFactory) {
  auto registry = backbones();
  EXPECT_NE(message_of<std::invalid_argument>([&] { registry.add("vgg16", make_mynet); }).find("'vgg16'"),
            std::string::npos);
  EXPECT_EQ(registry.make(node(R"({"type": "vgg16", "width": 2, "frozen_stages": 0})"))->parameters().size(),
            26u);
}

}  // namespace
}  // namespace rcnn::nn
