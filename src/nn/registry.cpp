#include <stdexcept>

#include <c10/util/Exception.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/backbones/vgg.h>
#include <rcnn/nn/backbones/zf.h>
#include <rcnn/nn/models/fast_rcnn.h>
#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/models/rpn_model.h>
#include <rcnn/nn/necks/aug_fpn.h>
#include <rcnn/nn/necks/bifpn.h>
#include <rcnn/nn/necks/fpn.h>
#include <rcnn/nn/necks/nas_fpn.h>
#include <rcnn/nn/necks/panet.h>
#include <rcnn/nn/necks/rfp.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/adaptive_head.h>
#include <rcnn/nn/roi/adaptive_pooler.h>
#include <rcnn/nn/roi/box_head.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/nn/roi/soft_pooler.h>

namespace rcnn::nn {

template <class Module, class... Arguments>
void Registry<Module, Arguments...>::add(const std::string& name, Factory factory) {
  if (!factories_.emplace(name, std::move(factory)).second) {
    throw std::invalid_argument("registry: the name '" + name + "' is taken");
  }
}

template <class Module, class... Arguments>
std::shared_ptr<Module> Registry<Module, Arguments...>::make(const config::Node& node,
                                                             Arguments... arguments) const {
  auto type = default_type_.empty() ? node.require("type") : default_type_;
  node.read("type", type);
  const auto factory = factories_.find(type);
  if (factory == factories_.end()) {
    std::vector<std::string> known;
    for (const auto& entry : factories_) known.push_back(entry.first);
    throw node.error("type", fmt::format("unknown type '{}'; known: {}", type, fmt::join(known, ", ")));
  }
  auto module = factory->second(node, arguments...);
  TORCH_CHECK(module, "registry: the factory of ", type, " gave nothing");
  node.finish(fmt::format("type {}", type));
  return module;
}

namespace {

auto resnet(int64_t depth) {
  return [depth](const config::Node& node) { return make_resnet(depth, node); };
}

auto level_pooler(RoiPoolerOptions::Kind kind) {
  return [kind](const config::Node& node, const std::vector<FeatureSpec>& features) {
    return make_level_pooler(kind, node, features);
  };
}

}  // namespace

Registry<BackboneImpl>& backbones() {
  static Registry<BackboneImpl> registry({{"resnet18", resnet(18)},
                                          {"resnet34", resnet(34)},
                                          {"resnet50", resnet(50)},
                                          {"resnet101", resnet(101)},
                                          {"resnet152", resnet(152)},
                                          {"vgg16", make_vgg16},
                                          {"vgg16_bn", make_vgg16_bn},
                                          {"vgg_cnn_m_1024", make_vgg_cnn_m_1024},
                                          {"zf", make_zf}});
  return registry;
}

Registry<NeckImpl, const NeckInputs&>& necks() {
  static Registry<NeckImpl, const NeckInputs&> registry({{"aug_fpn", make_aug_fpn},
                                                         {"bifpn", make_bifpn},
                                                         {"fpn", make_fpn},
                                                         {"nas_fpn", make_nas_fpn},
                                                         {"panet", make_panet},
                                                         {"rfp", make_rfp}});
  return registry;
}

Registry<RoiPoolerImpl, const std::vector<FeatureSpec>&>& poolers() {
  static Registry<RoiPoolerImpl, const std::vector<FeatureSpec>&> registry(
      {{"adaptive", make_adaptive_pooler},
       {"align", level_pooler(RoiPoolerOptions::Kind::align)},
       {"pool", level_pooler(RoiPoolerOptions::Kind::pool)},
       {"soft", make_soft_pooler}},
      "align");
  return registry;
}

Registry<BoxHeadImpl, const std::vector<GridSpec>&>& box_heads() {
  static Registry<BoxHeadImpl, const std::vector<GridSpec>&> registry({{"adaptive", make_adaptive_head},
                                                                       {"mlp", make_mlp_head},
                                                                       {"conv", make_conv_head},
                                                                       {"res5", make_res5_head}},
                                                                      "mlp");
  return registry;
}

Registry<ModelImpl, int64_t>& models() {
  static Registry<ModelImpl, int64_t> registry(
      {{kFastRcnnModel, make_fast_rcnn}, {"faster_rcnn", make_faster_rcnn}, {kRpnModel, make_rpn_model}});
  return registry;
}

template class Registry<BackboneImpl>;
template class Registry<NeckImpl, const NeckInputs&>;
template class Registry<RoiPoolerImpl, const std::vector<FeatureSpec>&>;
template class Registry<BoxHeadImpl, const std::vector<GridSpec>&>;
template class Registry<ModelImpl, int64_t>;

}  // namespace rcnn::nn
