#include <algorithm>

#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/io/weight_file.h>
#include <rcnn/nn/weights/weight_names.h>
#include <rcnn/printable.h>

#include "nn/weights/caffe_names.h"
#include "nn/weights/in_file.h"
#include "nn/weights/mmdetection_names.h"
#include "nn/weights/recognised_names.h"
#include "nn/weights/state_file.h"
#include "nn/weights/weight_name_table.h"

namespace rcnn::nn {
namespace {

constexpr const char* kClassScores = "roi_heads.box_predictor.cls_score.";
constexpr const char* kBoxes = "roi_heads.box_predictor.bbox_pred.";

/// The RPN's outputs, and how many rows an anchor has in each.
struct AnchorLayer {
  const char* prefix;
  int64_t rows;
};
constexpr AnchorLayer kAnchorLayers[] = {{"rpn.head.cls_logits.", 1}, {"rpn.head.bbox_pred.", 4}};

void check_rows(const std::string& name, const at::Tensor& tensor, int64_t divisor) {
  if (tensor.dim() > 0 && tensor.size(0) > 0 && tensor.size(0) % divisor == 0) return;
  throw WeightsError(fmt::format("{}: [{}] is no shape of such a layer: its rows must come in groups of {}",
                                 name, fmt::join(tensor.sizes(), ", "), divisor));
}

/// Exchanges the two factors of the anchors' order: [outer, inner] becomes [inner, outer].
at::Tensor swap_anchor_order(const at::Tensor& tensor, int64_t outer, int64_t rows) {
  std::vector<int64_t> split = {outer, tensor.size(0) / (outer * rows), rows};
  split.insert(split.end(), tensor.sizes().begin() + 1, tensor.sizes().end());
  return tensor.reshape(split).transpose(0, 1).reshape(tensor.sizes());
}

enum class Direction { to_torchvision, from_torchvision };

/// The rows of the last layers of detectron2 and mmdetection in torchvision's order, or back: their
/// background class is the last and has no boxes, and detectron2's anchors count sizes outside and ratios
/// inside.
at::Tensor reorder_rows(const std::string& name, const at::Tensor& tensor, WeightNames other,
                        Direction direction, const WeightNamesOptions& options) {
  const bool to_torchvision = direction == Direction::to_torchvision;
  if (name.starts_with(kClassScores)) {
    check_rows(name, tensor, 1);
    return tensor.roll(to_torchvision ? 1 : -1, 0);
  }
  if (name.starts_with(kBoxes) && !options.class_agnostic) {
    check_rows(name, tensor, 4);
    return to_torchvision ? at::cat({at::zeros_like(tensor.narrow(0, 0, 4)), tensor})
                          : tensor.narrow(0, 4, tensor.size(0) - 4);
  }
  if (other == WeightNames::mmdetection) return tensor;
  for (const auto& [prefix, rows] : kAnchorLayers) {
    if (!name.starts_with(prefix)) continue;
    check_rows(name, tensor, options.anchor_ratios * rows);
    const auto sizes = tensor.size(0) / (options.anchor_ratios * rows);
    return swap_anchor_order(tensor, to_torchvision ? sizes : options.anchor_ratios, rows);
  }
  return tensor;
}

/// The names without ".running_var", of every norm that has one.
std::vector<std::string> norms_of(const TensorMap& tensors) {
  constexpr std::string_view suffix = ".running_var";
  std::vector<std::string> norms;
  for (const auto& [name, tensor] : tensors) {
    if (name.ends_with(suffix)) norms.push_back(name.substr(0, name.size() - suffix.size()));
  }
  return norms;
}

TensorMap with_folded_statistics(TensorMap tensors, double eps) {
  for (const auto& norm : norms_of(tensors)) {
    const auto find = [&](const char* leaf) -> at::Tensor& {
      const auto found = tensors.find(norm + leaf);
      if (found == tensors.end()) throw WeightsError(fmt::format("{}{} is missing", norm, leaf));
      return found->second;
    };
    auto &weight = find(".weight"), &bias = find(".bias");
    weight = weight / at::sqrt(find(".running_var") + eps);
    bias = bias - find(".running_mean") * weight;
    for (const char* leaf : {".running_mean", ".running_var", ".num_batches_tracked"})
      tensors.erase(norm + leaf);
  }
  return tensors;
}

RenamedWeights rename(const TensorMap& tensors, const std::map<std::string, std::string>& table) {
  RenamedWeights result;
  for (const auto& [name, tensor] : tensors) {
    const auto found = table.find(name);
    if (found == table.end()) {
      result.left_out.push_back(name);
    } else {
      result.tensors.emplace(found->second, tensor);
    }
  }
  return result;
}

TensorMap with_prefix_dropped(const TensorMap& tensors, const std::string& prefix) {
  if (prefix.empty()) return tensors;
  TensorMap result;
  bool found = false;
  for (const auto& [name, tensor] : tensors) {
    const bool begins = name.starts_with(prefix);
    found |= begins;
    const auto changed = begins ? name.substr(prefix.size()) : name;
    if (!result.emplace(changed, tensor).second)
      throw WeightsError(fmt::format("two tensors would be called {}", printable(changed)));
  }
  if (!found) throw WeightsError(fmt::format("no name begins with '{}'", prefix));
  return result;
}

TensorMap with_prefix_added(const TensorMap& tensors, const std::string& prefix) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) result.emplace(prefix + name, tensor);
  return result;
}

/// What was recognised in a file, in one line; empty when there was nothing to be.
std::string summary_of(const io::WeightFile& file, const RecognisedNames& names, bool averaged, bool older) {
  std::vector<std::string> said;
  if (!file.root.empty() || averaged) {
    said.push_back(fmt::format("{}weights{}", averaged ? "averaged " : "",
                               file.root.empty() ? "" : fmt::format(" of '{}'", file.root)));
  }
  if (!names.wrappers.empty())
    said.push_back(fmt::format("without {} in the names", fmt::join(names.wrappers, ", ")));
  if (!names.prefix.empty()) said.push_back(fmt::format("without the prefix '{}'", names.prefix));
  if (older) said.push_back("under torchvision's names of before 0.13");
  auto copies = file.averages;
  for (const auto& prefix : names.averages) copies.push_back(prefix + "*");
  if (!copies.empty()) {
    said.push_back(fmt::format("averaged copies left out: {} (rcnn weights convert --ema takes them)",
                               fmt::join(copies, ", ")));
  }
  auto others = file.left_out;
  if (!names.left_out.empty()) others.push_back(counted_parts(names.left_out));
  if (!others.empty()) said.push_back(fmt::format("left out: {}", fmt::join(others, ", ")));
  return fmt::format("{}", fmt::join(said, "; "));
}

/// `options`, and class-agnostic boxes where the rows of `tensors`, which have torchvision's names, leave no
/// doubt: four of them, and scores of several classes or, in torchvision's order, of any.
WeightNamesOptions as_rows_say(const TensorMap& tensors, Direction direction, WeightNamesOptions options) {
  const auto rows = [&](const std::string& layer) {
    const auto weight = tensors.find(layer + "weight");
    return weight == tensors.end() || weight->second.dim() == 0 ? 0 : weight->second.size(0);
  };
  const int64_t doubtful = direction == Direction::to_torchvision ? 2 : 1;  // rows of scores
  if (rows(std::string(kBoxes)) == 4 && rows(std::string(kClassScores)) > doubtful)
    options.class_agnostic = true;
  return options;
}

/// What was renamed, with torchvision's rows.
RenamedWeights with_rows(RenamedWeights renamed, WeightNames from, const WeightNamesOptions& given) {
  const auto options = as_rows_say(renamed.tensors, Direction::to_torchvision, given);
  for (auto& [name, tensor] : renamed.tensors)
    tensor = reorder_rows(name, tensor, from, Direction::to_torchvision, options);
  return renamed;
}

/// to_torchvision() of detectron2's and Detectron's names.
RenamedWeights from_detectron(const TensorMap& tensors, WeightNames from, const WeightNamesOptions& options) {
  const auto table = name_table(parts_of(tensors, from), from).to_torchvision;
  auto result = rename(tensors, table);
  if (from == WeightNames::detectron2) return with_rows(std::move(result), from, options);
  // A scale and a shift alone get the statistics that change nothing.
  for (const auto& [name, scale] : tensors) {
    const auto norm = name.substr(0, name.find("_bn_s"));
    const auto mean = table.find(norm + "_bn_rm"), variance = table.find(norm + "_bn_riv");
    if (norm == name || mean == table.end() || variance == table.end()) continue;
    result.tensors.emplace(mean->second, at::zeros_like(scale));
    result.tensors.emplace(variance->second, at::full_like(scale, 1 - options.norm_eps));
  }
  return result;
}

/// For weights of which nothing has a place in a model that is known here.
WeightsError unknown_names(std::vector<std::string> names, WeightNames convention) {
  constexpr size_t kShown = 8;
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  const auto count = names.size();
  names.resize(std::min(count, kShown));
  const auto known =
      convention == WeightNames::caffe
          ? "the networks VGG16, ZF and VGG_CNN_M_1024 and py-faster-rcnn's detectors over them"
          : "ResNets and detectors over them";
  return WeightsError(
      printable(fmt::format("none of its {} layers is known here: {}{}; known are those of {}", count,
                            fmt::join(names, ", "), count > kShown ? ", ..." : "", known)));
}

}  // namespace

WeightNamesOptions WeightNamesOptions::from(const config::Node& model) {
  WeightNamesOptions options;
  std::vector<double> ratios;
  model.child("rpn").child("anchors").read("ratios", ratios);
  if (!ratios.empty()) options.anchor_ratios = std::ssize(ratios);
  model.child("roi").read("class_agnostic", options.class_agnostic);
  std::vector<double> box_weights;
  model.child("roi").read("box_weights", box_weights);
  if (box_weights.size() == options.box_weights.size())  // others the RoI head refuses
    std::ranges::copy(box_weights, options.box_weights.begin());
  model.child("backbone").read("norm_eps", options.norm_eps);
  return options;
}

WeightNames weight_names_of(const TensorMap& tensors) {
  if (has_caffe_names(tensors)) return WeightNames::caffe;
  if (has_mmdetection_names(tensors)) return WeightNames::mmdetection;
  for (const auto& [name, tensor] : tensors) {
    if (name.find("stem.conv1.") != std::string::npos || name.starts_with("proposal_generator.")) {
      return WeightNames::detectron2;
    }
    if (name == "conv1_w" || name == "cls_score_w" || name.ends_with("_branch2a_w"))
      return WeightNames::caffe2;
  }
  return WeightNames::torchvision;
}

RenamedWeights to_torchvision(const TensorMap& tensors, WeightNames from, const WeightNamesOptions& options) {
  if (from == WeightNames::torchvision) return {tensors, {}};
  auto result = from == WeightNames::caffe         ? from_caffe(tensors, options)
                : from == WeightNames::mmdetection ? with_rows(from_mmdetection_names(tensors), from, options)
                                                   : from_detectron(tensors, from, options);
  if (result.tensors.empty()) throw unknown_names(result.left_out, from);
  return result;
}

RenamedWeights from_torchvision(const TensorMap& tensors, WeightNames to, const WeightNamesOptions& options) {
  if (to == WeightNames::torchvision) return {tensors, {}};
  if (to == WeightNames::caffe) return to_caffe(tensors, options);
  const auto table = [&] { return name_table(parts_of(tensors, WeightNames::torchvision), to).to_other; };
  if (to == WeightNames::caffe2) return rename(with_folded_statistics(tensors, options.norm_eps), table());
  TensorMap rows;
  const auto seen = as_rows_say(tensors, Direction::from_torchvision, options);
  for (const auto& [name, tensor] : tensors) {
    rows.emplace(name, reorder_rows(name, tensor, to, Direction::from_torchvision, seen));
  }
  return to == WeightNames::mmdetection ? to_mmdetection_names(rows) : rename(rows, table());
}

RecognisedWeights recognise_weights(const std::filesystem::path& file, const ReadOptions& options) {
  auto source = io::read_weight_file(file, options.averages);
  refuse_state(source, file);
  return in_file(file, [&] {
    const bool ours = source.metadata.contains("rcnn_version");
    auto dropped = with_prefix_dropped(source.tensors, options.drop_prefix);
    auto names = ours ? recognise_own_names(dropped) : recognise_names(dropped, options.averages);
    const bool averaged = source.averaged || names.averaged;
    if (options.averages == io::Averages::take && !averaged)
      throw WeightsError("has no averaged copy of its weights (an entry or a prefix such as ema, model_ema)");
    auto tensors = with_prefix_added(names.tensors, options.add_prefix);
    const bool older = !ours && rename_older(tensors);
    return RecognisedWeights{.tensors = std::move(tensors),
                             .averaged = averaged,
                             .metadata = std::move(source.metadata),
                             .format = source.format,
                             .summary = summary_of(source, names, averaged, older)};
  });
}

ReadWeights read_weights(const std::filesystem::path& file, const WeightNamesOptions& names,
                         const ReadOptions& options) {
  auto read = recognise_weights(file, options);
  auto renamed =
      in_file(file, [&] { return to_torchvision(read.tensors, weight_names_of(read.tensors), names); });
  return {std::move(renamed.tensors), std::move(renamed.left_out), std::move(read.summary)};
}

}  // namespace rcnn::nn
