#include "nn/weights/weight_name_table.h"

#include <array>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "nn/weights/name_parts.h"

namespace rcnn::nn {
namespace {

using Leaves = std::vector<std::pair<const char*, const char*>>;

const Leaves kSameNorm = {{".weight", ".weight"},
                          {".bias", ".bias"},
                          {".running_mean", ".running_mean"},
                          {".running_var", ".running_var"},
                          {".num_batches_tracked", ".num_batches_tracked"}};
const Leaves kSameLayer = {{".weight", ".weight"}, {".bias", ".bias"}};
const Leaves kCaffe2Norm = {
    {".weight", "_s"}, {".bias", "_b"}, {".running_mean", "_rm"}, {".running_var", "_riv"}};
const Leaves kCaffe2Layer = {{".weight", "_w"}, {".bias", "_b"}};

class TableBuilder {
 public:
  TableBuilder(const NamedParts& parts, WeightNames other)
      : parts_(parts), caffe2_(other == WeightNames::caffe2) {}

  NameTable build() {
    const std::string body = parts_.detector ? "backbone.body." : "";
    const std::string other_body = caffe2_ || !parts_.detector ? ""
                                   : parts_.pyramid            ? "backbone.bottom_up."
                                                               : "backbone.";
    layer(body + "conv1", other_body + (caffe2_ ? "conv1" : "stem.conv1"));
    norm(body + "bn1", other_body + (caffe2_ ? "res_conv1_bn" : "stem.conv1.norm"));
    for (int stage = 1; stage <= 4; ++stage) {
      const bool in_head = stage == 4 && parts_.res5_head;
      residual_stage(in_head ? "roi_heads.box_head." : body, in_head && !caffe2_ ? "roi_heads." : other_body,
                     stage);
    }
    if (!parts_.detector) {
      layer("fc", caffe2_ ? "pred" : "linear");
      return std::move(table_);
    }
    if (parts_.pyramid) pyramid();
    rpn();
    box_head();
    layer("roi_heads.box_predictor.cls_score", caffe2_ ? "cls_score" : "roi_heads.box_predictor.cls_score");
    layer("roi_heads.box_predictor.bbox_pred", caffe2_ ? "bbox_pred" : "roi_heads.box_predictor.bbox_pred");
    return std::move(table_);
  }

 private:
  void add(const std::string& torchvision, const std::string& other, const Leaves& leaves) {
    for (const auto& [ours, theirs] : leaves) {
      table_.to_other.emplace(torchvision + ours, other + theirs);
      table_.to_torchvision.emplace(other + theirs, torchvision + ours);
    }
  }
  void layer(const std::string& torchvision, const std::string& other) {
    add(torchvision, other, caffe2_ ? kCaffe2Layer : kSameLayer);
  }
  void norm(const std::string& torchvision, const std::string& other) {
    add(torchvision, other, caffe2_ ? kCaffe2Norm : kSameNorm);
  }

  void residual_stage(const std::string& prefix, const std::string& other_prefix, int stage) {
    for (int block = 0; block < parts_.blocks[static_cast<size_t>(stage)]; ++block) {
      const auto ours = fmt::format("{}layer{}.{}.", prefix, stage, block);
      const char separator = caffe2_ ? '_' : '.';
      const auto theirs = fmt::format("{}res{}{}{}{}", other_prefix, stage + 1, separator, block, separator);
      for (int i = 1; i <= 3; ++i) {
        const auto conv =
            caffe2_ ? fmt::format("{}branch2{:c}", theirs, 'a' + i - 1) : fmt::format("{}conv{}", theirs, i);
        layer(fmt::format("{}conv{}", ours, i), conv);
        norm(fmt::format("{}bn{}", ours, i), conv + (caffe2_ ? "_bn" : ".norm"));
      }
      const auto shortcut = theirs + (caffe2_ ? "branch1" : "shortcut");
      layer(ours + "downsample.0", shortcut);
      norm(ours + "downsample.1", shortcut + (caffe2_ ? "_bn" : ".norm"));
    }
  }

  void pyramid() {
    for (int stage = 1; stage <= 4; ++stage) {
      const auto inner = fmt::format("backbone.fpn.inner_blocks.{}.", stage - 1);
      const auto outer = fmt::format("backbone.fpn.layer_blocks.{}.", stage - 1);
      if (caffe2_) {
        const auto map =
            fmt::format("res{}_{}_sum", stage + 1, parts_.blocks[static_cast<size_t>(stage)] - 1);
        layer(inner + "0", fmt::format("fpn_inner_{}{}", map, stage == 4 ? "" : "_lateral"));
        layer(outer + "0", "fpn_" + map);
        continue;
      }
      const auto lateral = fmt::format("backbone.fpn_lateral{}", stage + 1);
      const auto output = fmt::format("backbone.fpn_output{}", stage + 1);
      layer(inner + "0", lateral);
      norm(inner + "1", lateral + ".norm");
      layer(outer + "0", output);
      norm(outer + "1", output + ".norm");
    }
  }

  void rpn() {
    const std::string head = "proposal_generator.rpn_head.";
    if (caffe2_) {
      const std::string level = parts_.pyramid ? "_fpn2" : "";  // the one head is named after its finest map
      layer("rpn.head.conv.0.0", "conv_rpn" + level);
      layer("rpn.head.cls_logits", "rpn_cls_logits" + level);
      layer("rpn.head.bbox_pred", "rpn_bbox_pred" + level);
      return;
    }
    for (int i = 0; i < parts_.rpn_convs; ++i) {
      layer(fmt::format("rpn.head.conv.{}.0", i),
            parts_.rpn_convs == 1 ? head + "conv" : fmt::format("{}conv.conv{}", head, i));
    }
    layer("rpn.head.cls_logits", head + "objectness_logits");
    layer("rpn.head.bbox_pred", head + "anchor_deltas");
  }

  void box_head() {
    const std::string head = "roi_heads.box_head.";
    if (caffe2_ || parts_.box_convs == 0) {
      layer(head + "fc6", caffe2_ ? "fc6" : head + "fc1");
      layer(head + "fc7", caffe2_ ? "fc7" : head + "fc2");
      return;
    }
    for (int i = 0; i < parts_.box_convs; ++i) {
      layer(fmt::format("{}{}.0", head, i), fmt::format("{}conv{}", head, i + 1));
      norm(fmt::format("{}{}.1", head, i), fmt::format("{}conv{}.norm", head, i + 1));
    }
    // torchvision numbers the layers: convolutions, flattening, one linear layer.
    layer(fmt::format("{}{}", head, parts_.box_convs + 1), head + "fc1");
  }

  const NamedParts parts_;
  const bool caffe2_;
  NameTable table_;
};

}  // namespace

NamedParts parts_of(const TensorMap& tensors, WeightNames names) {
  NamedParts parts;
  const auto blocks = [&](const std::string& format) {
    for (int stage = 1; stage <= 4; ++stage) {
      const int number = names == WeightNames::torchvision ? stage : stage + 1;
      parts.blocks[static_cast<size_t>(stage)] = count_prefixes(
          tensors, 0, [&](int block) { return fmt::format(fmt::runtime(format), number, block); });
    }
  };
  const auto head_blocks = [&](const std::string& prefix) {
    const int found =
        count_prefixes(tensors, 0, [&](int block) { return fmt::format("{}{}.", prefix, block); });
    parts.res5_head = found > 0;
    if (found > 0) parts.blocks[4] = found;
  };
  switch (names) {
    case WeightNames::torchvision:
      parts.detector = has_prefix(tensors, "rpn.") || has_prefix(tensors, "roi_heads.");
      parts.pyramid = has_prefix(tensors, "backbone.fpn.");
      blocks(parts.detector ? "backbone.body.layer{}.{}." : "layer{}.{}.");
      head_blocks("roi_heads.box_head.layer4.");
      parts.rpn_convs =
          count_prefixes(tensors, 0, [](int i) { return fmt::format("rpn.head.conv.{}.0.", i); });
      parts.box_convs =
          count_prefixes(tensors, 0, [](int i) { return fmt::format("roi_heads.box_head.{}.0.", i); });
      break;
    case WeightNames::detectron2:
      parts.detector = has_prefix(tensors, "proposal_generator.") || has_prefix(tensors, "roi_heads.");
      parts.pyramid = has_prefix(tensors, "backbone.fpn_");
      blocks(!parts.detector ? "res{}.{}."
             : parts.pyramid ? "backbone.bottom_up.res{}.{}."
                             : "backbone.res{}.{}.");
      head_blocks("roi_heads.res5.");
      parts.rpn_convs = std::max(1, count_prefixes(tensors, 0, [](int i) {
                                   return fmt::format("proposal_generator.rpn_head.conv.conv{}.", i);
                                 }));
      parts.box_convs =
          count_prefixes(tensors, 1, [](int i) { return fmt::format("roi_heads.box_head.conv{}.", i); });
      break;
    case WeightNames::caffe2:
      parts.detector =
          has_prefix(tensors, "rpn_") || has_prefix(tensors, "conv_rpn") || has_prefix(tensors, "cls_score");
      parts.pyramid = has_prefix(tensors, "fpn_");
      blocks("res{}_{}_");
      parts.res5_head = parts.detector && !parts.pyramid && !has_prefix(tensors, "fc6_");
      break;
    case WeightNames::mmdetection:  // these have tables of their own, mmdetection_names.h
    case WeightNames::caffe:        // and caffe_names.h
      break;
  }
  return parts;
}

NameTable name_table(const NamedParts& parts, WeightNames other) {
  return TableBuilder(parts, other).build();
}

}  // namespace rcnn::nn
