#include <algorithm>
#include <array>
#include <string_view>

#include <spdlog/fmt/ranges.h>

#include <rcnn/nn/weights/initial_weights.h>

#include "nn/weights/name_parts.h"

namespace rcnn::nn {
namespace {

using Parts = std::map<std::string, std::vector<std::string>>;

/// For people: the stage layer3 of the backbone, the pyramid, the RPN, the RoI head.
std::string name_of_part(const std::string& part) {
  constexpr std::string_view kBody = "backbone.body.";
  if (part.starts_with(kBody)) return fmt::format("{} of the backbone", part.substr(kBody.size()));
  if (part.starts_with("backbone.")) return fmt::format("the pyramid's {}", part);
  if (part.starts_with("rpn.")) return fmt::format("the RPN's {}", part);
  if (part.starts_with("roi_heads.")) return fmt::format("the RoI head's {}", part);
  return part;
}

/// Whether a classification network has what this part wants: the backbone, a res5 head, two layers of VGG's,
/// ZF's and their like.
bool is_filled_by_classifier(const std::string& part, bool vgg) {
  return part.starts_with("backbone.body.") || part.starts_with("roi_heads.box_head.layer4") ||
         (vgg && (part == "roi_heads.box_head.fc6" || part == "roi_heads.box_head.fc7"));
}

/// Whether the weights are those of a classification network: nothing went elsewhere, and what found no place
/// is such a network's own.
bool fills_a_backbone_alone(const LoadReport& report) {
  const auto is_own = [](const std::string& name) {
    return std::ranges::any_of(std::array{"fc.", "classifier.", "head.", "linear.", "conv1.", "bn1.", "layer",
                                          "features.", "backbone.body."},
                               [&](const char* begin) { return name.starts_with(begin); });
  };
  return std::ranges::all_of(report.loaded,
                             [](const auto& name) {
                               return is_filled_by_classifier(by_part({name}).begin()->first, true);
                             }) &&
         std::ranges::all_of(report.unused, is_own);
}

}  // namespace

std::string doubts_about(const LoadReport& report, const ModelImpl& model) {
  auto spare_names = report.unused;
  for (auto& name : spare_names) {
    if (name.starts_with("layer") || name.starts_with("features.")) name.insert(0, "backbone.body.");
  }
  auto known = report.loaded;
  known.insert(known.end(), report.derived.begin(), report.derived.end());
  const auto loaded = by_part(known), fresh = by_part(report.fresh), unused = by_part(spare_names);
  const auto count = [](const Parts& parts, const std::string& part) {
    const auto found = parts.find(part);
    return found == parts.end() ? size_t{0} : found->second.size();
  };
  const auto is_as_it_should_be = [&](const std::vector<std::string>& names) {
    return std::ranges::all_of(
        names, [&](const auto& name) { return model.depends_on_classes(name) || model.only_trains(name); });
  };
  const bool classifier = fills_a_backbone_alone(report);
  const bool vgg = loaded.contains("backbone.body.features") || loaded.contains("backbone.body.conv5");
  std::vector<std::string> missing, spare;
  for (const auto& [part, names] : fresh) {
    if (is_as_it_should_be(names) || (classifier && !is_filled_by_classifier(part, vgg))) continue;
    const size_t all = names.size() + count(loaded, part);
    if (2 * names.size() > all)
      missing.push_back(fmt::format("{}: {} of {} tensors", name_of_part(part), names.size(), all));
  }
  for (const auto& [part, names] : unused) {
    const size_t all = names.size() + count(loaded, part);
    if (loaded.contains(part) && !is_as_it_should_be(names) && 2 * names.size() > all)
      spare.push_back(fmt::format("{}: {} of {} tensors", name_of_part(part), names.size(), all));
  }
  std::vector<std::string> doubts;
  if (!missing.empty()) {
    const auto cause =
        report.unused.empty()
            ? "the file has nothing for it: weights of a model without this part, or of another depth"
            : fmt::format("the file may call it otherwise, or be of another model; without a place: {}",
                          counted_parts(report.unused));
    doubts.push_back(fmt::format("most of a part starts fresh ({}); {}", fmt::join(missing, ", "), cause));
  }
  if (!spare.empty()) {
    const bool standardised =
        std::ranges::any_of(report.unused, [](const auto& name) { return name.ends_with(".weight_gamma"); });
    doubts.push_back(fmt::format(
        "most of what the file has of a part finds no place ({}); weights of {}", fmt::join(spare, ", "),
        standardised ? "a backbone whose conv is aws or sac: see model.backbone.conv" : "a deeper model"));
  }
  return fmt::format("{}", fmt::join(doubts, "; "));
}

}  // namespace rcnn::nn
