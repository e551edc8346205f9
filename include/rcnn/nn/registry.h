#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>

namespace rcnn::nn {

class BackboneImpl;
class ModelImpl;
class NeckImpl;
class BoxHeadImpl;
class RoiPoolerImpl;
struct FeatureSpec;
struct GridSpec;
struct NeckInputs;

/// Factories by name. The built-in ones are listed in registry.cpp, where the linker cannot drop them; others
/// are added at the start of main: `rcnn::nn::backbones().add("mynet", make_mynet);`
template <class Module, class... Arguments>
class RCNN_EXPORT Registry {
 public:
  using Factory = std::function<std::shared_ptr<Module>(const config::Node&, Arguments...)>;

  /// `default_type` is what a config without the key "type" means; empty where it is required.
  explicit Registry(std::map<std::string, Factory> factories, std::string default_type = "")
      : factories_(std::move(factories)), default_type_(std::move(default_type)) {}

  /// Throws std::invalid_argument when the name is taken.
  void add(const std::string& name, Factory factory);

  /// Makes what `node`'s key "type" names from the rest of `node`, in which every key must be known. Throws
  /// ConfigError with the list of names when there is no such one.
  std::shared_ptr<Module> make(const config::Node& node, Arguments... arguments) const;

 private:
  std::map<std::string, Factory> factories_;
  std::string default_type_;
};

/// resnet18, resnet34, resnet50, resnet101, resnet152, vgg16, vgg16_bn, zf, vgg_cnn_m_1024
RCNN_EXPORT Registry<BackboneImpl>& backbones();

/// fpn, panet, bifpn, nas_fpn, rfp, aug_fpn
RCNN_EXPORT Registry<NeckImpl, const NeckInputs&>& necks();

/// align (the default), pool, adaptive, soft; the argument is the maps that RoIs are pooled from, finest
/// first
RCNN_EXPORT Registry<RoiPoolerImpl, const std::vector<FeatureSpec>&>& poolers();

/// mlp (the default), conv, res5, adaptive; the argument is what the pooler gives
RCNN_EXPORT Registry<BoxHeadImpl, const std::vector<GridSpec>&>& box_heads();

/// fast_rcnn, faster_rcnn, rpn; the argument is the number of classes, background not counted
RCNN_EXPORT Registry<ModelImpl, int64_t>& models();

}  // namespace rcnn::nn
