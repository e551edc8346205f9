#include "nn/weights/mmdetection_names.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>
#include <rcnn/printable.h>

#include "nn/weights/name_parts.h"

namespace rcnn::nn {
namespace {

constexpr int kStages = 4;  // of a ResNet

/// What of a network decides what its layers are called.
struct MmdetectionParts {
  std::string neck;          ///< type of the neck, which our names have; empty for none
  int laterals = 0;          ///< of the neck
  int coarsest = kStages;    ///< residual stage of the backbone that the neck's last lateral reads
  bool stacked_rpn = false;  ///< several convolutions before the RPN's outputs
  int rpn_convs = 1;
  int box_convs = 0;  ///< convolutions before the RoI head's linear layers
};

/// The beginnings of names, both ways; what follows them is called the same.
struct NamePair {
  std::string mmdetection, torchvision;
};

/// A name of a backbone or of NAS-FPN with another word for its norm: layer1.0.bn1 and layer1.0.gn1.
std::string with_norm(const std::string& name, std::string_view from, std::string_view to) {
  const bool has_word = name.starts_with("backbone.body.") || name.starts_with("backbone.nas_fpn.") ||
                        name.starts_with("backbone.rfp.rfp_modules.");
  const auto place = name.rfind(fmt::format(".{}", from));
  if (!has_word || place == std::string::npos) return name;
  const auto end = name.find('.', place + 1);
  const auto rest = name.substr(place + 1 + from.size(), end - place - 1 - from.size());
  if (end == std::string::npos || !std::ranges::all_of(rest, [](char c) { return '0' <= c && c <= '9'; }))
    return name;
  return name.substr(0, place + 1) + std::string(to) + name.substr(place + 1 + from.size());
}

/// Whether a norm of ours has weights and no statistics.
bool is_group_norm(const TensorMap& tensors, const std::string& norm) {
  return tensors.contains(norm + ".weight") && !tensors.contains(norm + ".running_var");
}

class MmdetectionTable {
 public:
  /// `tensors` have either names; they tell group norms from batch norms.
  MmdetectionTable(const MmdetectionParts& parts, const TensorMap& tensors)
      : parts_(parts), tensors_(tensors) {}

  std::vector<NamePair> build() {
    for (const char* name : {"conv1.", "bn1.", "gn1."})
      add(fmt::format("backbone.{}", name), fmt::format("backbone.body.{}", name));
    for (int stage = 1; stage <= kStages; ++stage)
      add(fmt::format("backbone.layer{}.", stage), fmt::format("backbone.body.layer{}.", stage));
    add("roi_head.shared_head.layer4.", "roi_heads.box_head.layer4.");
    if (!parts_.neck.empty()) neck("backbone." + parts_.neck + ".");
    rpn();
    box_head();
    add("roi_head.bbox_head.fc_cls.", "roi_heads.box_predictor.cls_score.");
    add("roi_head.bbox_head.fc_reg.", "roi_heads.box_predictor.bbox_pred.");
    return std::move(table_);
  }

 private:
  void add(std::string theirs, std::string ours) { table_.push_back({std::move(theirs), std::move(ours)}); }

  /// One of mmcv's ConvModules, whose convolution and norm are called `conv` and `norm` here.
  void conv_module(const std::string& theirs, const std::string& conv, const std::string& norm) {
    add(theirs + ".conv.", conv + ".");
    const bool group = has_prefix(tensors_, theirs + ".gn.") || is_group_norm(tensors_, norm);
    add(theirs + (group ? ".gn." : ".bn."), norm + ".");
  }
  void block(const std::string& theirs, const std::string& ours) {
    conv_module(theirs, ours + ".0", ours + ".1");
  }

  void neck(const std::string& ours) {
    if (parts_.neck == "bifpn") return add("neck.bifpn.", ours);
    if (parts_.neck == "nas_fpn") {
      for (const char* list : {"lateral_convs.", "extra_downsamples.", "fpn_stages."})
        add(fmt::format("neck.{}", list), ours + list);
      return;
    }
    constexpr int kExtraLevels = 3;
    for (int i = 0; i < parts_.laterals; ++i) {
      block(fmt::format("neck.lateral_convs.{}", i), fmt::format("{}inner_blocks.{}", ours, i));
      block(fmt::format("neck.fpn_convs.{}", i), fmt::format("{}layer_blocks.{}", ours, i));
    }
    for (int i = 0; i < kExtraLevels; ++i) {  // behind that of stage n, which is p(n + 1)
      const auto extra = fmt::format("{}extra_blocks.p{}", ours, parts_.coarsest + 2 + i);
      conv_module(fmt::format("neck.fpn_convs.{}", parts_.laterals + i), extra, extra + "_norm");
    }
    for (int i = 0; parts_.neck == "panet" && i + 1 < parts_.laterals; ++i) {
      block(fmt::format("neck.downsample_convs.{}", i), fmt::format("{}downsample_blocks.{}", ours, i));
      block(fmt::format("neck.pafpn_convs.{}", i), fmt::format("{}output_blocks.{}", ours, i));
    }
    if (parts_.neck != "rfp") return;
    for (const char* part : {"rfp_modules.", "rfp_aspp.", "rfp_weight."})
      add(fmt::format("neck.{}", part), ours + part);
  }

  void rpn() {
    for (int i = 0; i < parts_.rpn_convs; ++i) {
      add(parts_.stacked_rpn ? fmt::format("rpn_head.rpn_conv.{}.conv.", i) : "rpn_head.rpn_conv.",
          fmt::format("rpn.head.conv.{}.0.", i));
    }
    add("rpn_head.rpn_cls.", "rpn.head.cls_logits.");
    add("rpn_head.rpn_reg.", "rpn.head.bbox_pred.");
  }

  void box_head() {
    const std::string theirs = "roi_head.bbox_head.", ours = "roi_heads.box_head.";
    if (parts_.box_convs == 0) {
      add(theirs + "shared_fcs.0.", ours + "fc6.");
      add(theirs + "shared_fcs.1.", ours + "fc7.");
      return;
    }
    for (int i = 0; i < parts_.box_convs; ++i)
      block(fmt::format("{}shared_convs.{}", theirs, i), fmt::format("{}{}", ours, i));
    // torchvision numbers the layers: convolutions, flattening, one linear layer.
    add(theirs + "shared_fcs.0.", fmt::format("{}{}.", ours, parts_.box_convs + 1));
  }

  const MmdetectionParts parts_;
  const TensorMap& tensors_;
  std::vector<NamePair> table_;
};

/// What tells necks apart, in mmdetection's names and in ours.
struct NeckMark {
  const char *type, *mmdetection;
};
constexpr std::array<NeckMark, 5> kNeckMarks = {{{"rfp", "neck.rfp_"},
                                                 {"panet", "neck.downsample_convs."},
                                                 {"bifpn", "neck.bifpn."},
                                                 {"nas_fpn", "neck.fpn_stages."},
                                                 {"fpn", "neck.lateral_convs."}}};

int coarsest_of(const TensorMap& tensors, const std::string& layer) {
  const int stages = count_prefixes(tensors, 1, [&](int i) { return fmt::format("{}{}.", layer, i); });
  return stages > 0 ? stages : kStages;
}

MmdetectionParts parts_of_mmdetection(const TensorMap& tensors) {
  MmdetectionParts parts;
  const auto mark = std::ranges::find_if(
      kNeckMarks, [&](const auto& neck) { return has_prefix(tensors, neck.mmdetection); });
  if (mark != kNeckMarks.end()) parts.neck = mark->type;
  parts.laterals = count_prefixes(tensors, 0, [](int i) { return fmt::format("neck.lateral_convs.{}.", i); });
  parts.coarsest = coarsest_of(tensors, "backbone.layer");
  const int stacked =
      count_prefixes(tensors, 0, [](int i) { return fmt::format("rpn_head.rpn_conv.{}.", i); });
  parts.stacked_rpn = stacked > 0;
  parts.rpn_convs = std::max(1, stacked);
  parts.box_convs =
      count_prefixes(tensors, 0, [](int i) { return fmt::format("roi_head.bbox_head.shared_convs.{}.", i); });
  return parts;
}

MmdetectionParts parts_of_torchvision(const TensorMap& tensors) {
  MmdetectionParts parts;
  const auto mark = std::ranges::find_if(kNeckMarks, [&](const auto& neck) {
    return has_prefix(tensors, fmt::format("backbone.{}.", neck.type));
  });
  if (mark != kNeckMarks.end()) parts.neck = mark->type;
  const auto inner = fmt::format("backbone.{}.inner_blocks.", parts.neck);
  parts.laterals = count_prefixes(tensors, 0, [&](int i) { return fmt::format("{}{}.", inner, i); });
  parts.coarsest = coarsest_of(tensors, "backbone.body.layer");
  parts.rpn_convs = count_prefixes(tensors, 0, [](int i) { return fmt::format("rpn.head.conv.{}.0.", i); });
  parts.stacked_rpn = parts.rpn_convs > 1;
  parts.box_convs =
      count_prefixes(tensors, 0, [](int i) { return fmt::format("roi_heads.box_head.{}.0.", i); });
  return parts;
}

template <class From, class To>
RenamedWeights under_other_names(const TensorMap& tensors, const std::vector<NamePair>& table, From from,
                                 To to) {
  RenamedWeights result;
  for (const auto& [name, tensor] : tensors) {
    const auto pair = std::ranges::find_if(
        table, [&, &text = name](const auto& entry) { return text.starts_with(entry.*from); });
    if (pair == table.end()) {
      result.left_out.push_back(name);
    } else {
      result.tensors.emplace((*pair).*to + name.substr(((*pair).*from).size()), tensor);
    }
  }
  return result;
}

/// A softmax over two, or classes of objects, where ours has one logit.
void check_anchor_scores(const TensorMap& tensors) {
  for (const char* leaf : {"weight", "bias"}) {
    const auto scores = tensors.find(fmt::format("rpn_head.rpn_cls.{}", leaf)),
               boxes = tensors.find(fmt::format("rpn_head.rpn_reg.{}", leaf));
    if (scores == tensors.end() || boxes == tensors.end()) continue;
    const auto rows = [](const at::Tensor& tensor) { return tensor.dim() == 0 ? 0 : tensor.size(0); };
    if (4 * rows(scores->second) == rows(boxes->second)) continue;
    throw WeightsError(
        fmt::format("{}: [{}] is not one score for each of the anchors that {} has boxes for, [{}]; other "
                    "RPNs than those with "
                    "use_sigmoid are not known",
                    scores->first, fmt::join(scores->second.sizes(), ", "), boxes->first,
                    fmt::join(boxes->second.sizes(), ", ")));
  }
}

}  // namespace

bool has_mmdetection_names(const TensorMap& tensors) {
  return !has_prefix(tensors, "backbone.body.") &&
         std::ranges::any_of(std::array{"neck.", "rpn_head.", "roi_head."},
                             [&](const char* part) { return has_prefix(tensors, part); });
}

RenamedWeights from_mmdetection_names(const TensorMap& tensors) {
  check_anchor_scores(tensors);
  auto result = under_other_names(tensors, MmdetectionTable(parts_of_mmdetection(tensors), tensors).build(),
                                  &NamePair::mmdetection, &NamePair::torchvision);
  TensorMap named;
  for (const auto& [name, tensor] : result.tensors) named.emplace(with_norm(name, "gn", "bn"), tensor);
  result.tensors = std::move(named);
  return result;
}

RenamedWeights to_mmdetection_names(const TensorMap& tensors) {
  TensorMap named;
  for (const auto& [name, tensor] : tensors) {
    const bool group = is_group_norm(tensors, name.substr(0, name.rfind('.')));
    named.emplace(group ? with_norm(name, "bn", "gn") : name, tensor);
  }
  return under_other_names(named, MmdetectionTable(parts_of_torchvision(tensors), tensors).build(),
                           &NamePair::torchvision, &NamePair::mmdetection);
}

void check_mmdetection_has(const config::Node& model) {
  const auto neck = model.child("neck");
  std::string type, form = "paper", pooling = "max", extra = "pool";
  neck.read("type", type);
  neck.read("form", form);
  neck.read("global_pooling", pooling);
  neck.child("extra_levels").read("type", extra);
  if (type == "panet" && form != "pafpn") {
    throw WeightsError(
        "mmdetection's PAFPN is panet of the form pafpn, another function than that of the form paper, which "
        "these weights are of");
  }
  if (type == "nas_fpn" && (pooling != "average" || extra != "conv")) {
    throw WeightsError(
        "mmdetection's NASFPN has global_pooling average and extra_levels of the type conv, another function "
        "than that of these weights");
  }
}

}  // namespace rcnn::nn
