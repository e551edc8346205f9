#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/data/tools/anchor_coverage.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/models/fast_rcnn.h>
#include <rcnn/nn/pixels.h>
#include <rcnn/nn/rpn/rpn.h>
#include <rcnn/printable.h>

#include "data_commands.h"

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNotable = 0.01;  // of the mean best IoU
constexpr double kSmall = 32 * 32, kMedium = 96 * 96;

struct DataAnchorsArguments {
  DatasetArguments dataset;
  std::string config;
  std::vector<std::string> overrides;
  bool json = false;
};

/// The maps of a config's detector, without its heads and its weights.
data::AnchorMaps anchor_maps(const config::Node& model, const nn::RpnOptions& rpn) {
  const auto extractor = nn::make_feature_extractor(model);
  const auto features = extractor->levels();
  const int64_t divisor = nn::read_size_divisor(model, *extractor);
  nn::check_anchors(model, rpn.anchors, features);

  // Whether a level rounds up where its stride does not divide the input: asked of the network itself.
  const torch::NoGradGuard no_gradients;
  extractor->eval();
  const int64_t probe = features.back().stride + 1;
  const auto seen = extractor->forward(torch::zeros({1, 3, probe, probe})).maps;
  data::AnchorMaps maps{
      .strides = {}, .sizes = {}, .inside = rpn.cross_boundary == nn::RpnOptions::CrossBoundary::drop};
  std::vector<int64_t> up;
  for (size_t i = 0; i < features.size(); ++i) {
    const int64_t stride = features[i].stride;
    maps.strides.push_back(stride);
    up.push_back(seen[i].size(2) > probe / stride ? stride - 1 : 0);
  }
  maps.sizes = [strides = maps.strides, up, divisor](ImageSize size) {
    std::vector<ImageSize> sizes;
    for (size_t i = 0; i < strides.size(); ++i) {
      const auto cells = [&](int64_t length) {
        return ((length + divisor - 1) / divisor * divisor + up[i]) / strides[i];
      };
      sizes.push_back({cells(size.height), cells(size.width)});
    }
    return sizes;
  };
  return maps;
}

/// The part that is trained on: "train", or those whose names begin so, or all where there is no such part.
std::vector<data::DatasetPart> training_parts(const DatasetArguments& arguments) {
  auto parts = arguments.parts();
  if (!arguments.locate.splits.empty()) return parts;
  const auto keep = [&](auto wanted) {
    if (std::none_of(parts.begin(), parts.end(), wanted)) return false;
    std::erase_if(parts, [&](const data::DatasetPart& part) { return !wanted(part); });
    return true;
  };
  if (!keep([](const data::DatasetPart& part) { return part.name == "train"; }))
    keep([](const data::DatasetPart& part) { return part.name.starts_with("train"); });
  return parts;
}

/// The boxes of all parts, with what messages say of them.
struct Truth {
  std::vector<data::ScaledBox> boxes;
  std::vector<std::string> classes, files;  // of each box
  std::vector<std::string> parts;
};

Truth read_truth(const std::vector<data::DatasetPart>& parts, int64_t min_size, int64_t max_size,
                 Resize resize, boxes::Convention convention) {
  Truth truth;
  for (const auto& part : parts) {
    const auto dataset = data::open(part.options, part.split);
    for (const auto& box : data::scaled_boxes(*dataset, min_size, max_size, resize, convention)) {
      truth.boxes.push_back(box);
      truth.classes.push_back(dataset->categories()[box.label - 1].name);
      truth.files.push_back(dataset->record(box.record).image.filename());
    }
    truth.parts.push_back(part.name);
  }
  return truth;
}

/// How well a group of boxes is reached.
struct Reach {
  int64_t boxes = 0, half = 0, positive = 0;
  double sum = 0;

  void add(float iou, double positive_iou) {
    ++boxes;
    half += iou >= 0.5f;
    positive += iou >= static_cast<float>(positive_iou);
    sum += iou;
  }
  double share(int64_t count) const { return static_cast<double>(count) / static_cast<double>(boxes); }
  double mean() const { return sum / static_cast<double>(boxes); }
};

const char* size_of(const Box& box) {
  const double area = double{box.width()} * box.height();
  return area < kSmall ? "small" : area < kMedium ? "medium" : "large";
}

/// What the anchors of one setting reach.
struct Result {
  Reach all;
  std::map<std::string, Reach> sizes, classes;
  int64_t unreachable = 0;  ///< boxes that no anchor reaches with the IoU below which anchors are background
  size_t worst = 0;         ///< the box reached least
  float worst_iou = 1;
};

Result measure(const Truth& truth, const boxes::AnchorOptions& anchors, const data::AnchorMaps& maps,
               const boxes::MatcherOptions& matcher) {
  const auto ious = data::best_anchor_ious(truth.boxes, anchors, maps);
  Result result;
  for (size_t i = 0; i < ious.size(); ++i) {
    result.all.add(ious[i], matcher.positive_iou);
    result.sizes[size_of(truth.boxes[i].box)].add(ious[i], matcher.positive_iou);
    result.classes[truth.classes[i]].add(ious[i], matcher.positive_iou);
    result.unreachable += ious[i] < static_cast<float>(matcher.negative_iou);
    if (ious[i] < result.worst_iou) {
      result.worst = i;
      result.worst_iou = ious[i];
    }
  }
  return result;
}

std::string as_overrides(const boxes::AnchorOptions& anchors) {
  return fmt::format("'model.rpn.anchors.sizes=[{}]' 'model.rpn.anchors.ratios=[{}]'",
                     fmt::join(anchors.sizes, ", "), fmt::join(anchors.ratios, ", "));
}

struct AnchorReport {
  const Truth& truth;
  const nn::RpnOptions& rpn;
  const data::AnchorMaps& maps;
  int64_t min_size, max_size;
  Result present;
  boxes::AnchorOptions suggested;
  Result better;
  bool notable() const { return better.all.mean() - present.all.mean() >= kNotable; }
};

Json to_json(const Reach& reach) {
  return {{"boxes", reach.boxes},
          {"iou50", reach.share(reach.half)},
          {"positive", reach.share(reach.positive)},
          {"mean_best_iou", reach.mean()}};
}

Json to_json(const AnchorReport& report, const Result& result, const boxes::AnchorOptions& anchors) {
  Json json = {{"sizes", anchors.sizes}, {"ratios", anchors.ratios}, {"all", to_json(result.all)}};
  for (const auto& [name, reach] : result.sizes) json["by_size"][name] = to_json(reach);
  for (const auto& [name, reach] : result.classes) json["by_class"][name] = to_json(reach);
  const auto& worst = report.truth.boxes[result.worst].box;
  json["unreachable"] = result.unreachable;
  json["worst"] = {{"image", report.truth.files[result.worst]},
                   {"class", report.truth.classes[result.worst]},
                   {"width", worst.width()},
                   {"height", worst.height()},
                   {"iou", result.worst_iou}};
  return json;
}

void print_json(const AnchorReport& report) {
  Json json = {{"parts", report.truth.parts},
               {"min_size", report.min_size},
               {"max_size", report.max_size},
               {"strides", report.maps.strides},
               {"positive_iou", report.rpn.matcher.positive_iou},
               {"negative_iou", report.rpn.matcher.negative_iou},
               {"anchors", to_json(report, report.present, report.rpn.anchors)},
               {"suggestion", nullptr}};
  if (report.notable()) json["suggestion"] = to_json(report, report.better, report.suggested);
  std::cout << json.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_row(const std::string& name, size_t width, const Reach& reach) {
  if (reach.boxes == 0) return;
  std::cout << fmt::format("  {:<{}}  {:>8}  {:>9.1f}%  {:>9.1f}%  {:>13.3f}\n", printable(name), width,
                           reach.boxes, 100 * reach.share(reach.half), 100 * reach.share(reach.positive),
                           reach.mean());
}

void print_table(const AnchorReport& report, const Result& result, bool by_class) {
  size_t width = 6;
  for (const auto& [name, reach] : result.classes) width = std::max(width, printable(name).size());
  std::cout << fmt::format("  {:<{}}  {:>8}  {:>10}  {:>10}  {:>13}\n", "", width, "boxes", "IoU >= 0.5",
                           fmt::format(">= {:g}", report.rpn.matcher.positive_iou), "mean best IoU");
  print_row("all", width, result.all);
  for (const char* size : {"small", "medium", "large"}) {
    if (const auto found = result.sizes.find(size); found != result.sizes.end())
      print_row(size, width, found->second);
  }
  if (by_class) {
    for (const auto& [name, reach] : result.classes) print_row(name, width, reach);
  }
  const auto& worst = report.truth.boxes[result.worst].box;
  std::cout << fmt::format(
      "  {} below {:g}, where anchors count as background; the worst: {} on {}, {:.0f} x {:.0f}, {:.2f}\n",
      result.unreachable, report.rpn.matcher.negative_iou, printable(report.truth.classes[result.worst]),
      printable(report.truth.files[result.worst]), worst.width(), worst.height(), result.worst_iou);
}

/// The classes that the suggested anchors reach less, those that lose most first.
void print_losses(const AnchorReport& report) {
  constexpr size_t kNamed = 5;
  std::vector<std::pair<double, std::string>> losses;
  for (const auto& [name, reach] : report.better.classes) {
    const double before = report.present.classes.at(name).mean();
    if (before - reach.mean() >= kNotable)
      losses.emplace_back(reach.mean() - before,
                          fmt::format("{} ({:.3f}, now {:.3f})", printable(name), reach.mean(), before));
  }
  if (losses.empty()) return;
  std::sort(losses.begin(), losses.end());
  std::vector<std::string> named;
  for (size_t i = 0; i < std::min(kNamed, losses.size()); ++i) named.push_back(losses[i].second);
  std::cout << fmt::format("  less for {}{}\n", fmt::join(named, ", "),
                           losses.size() > kNamed ? fmt::format(" and {} more", losses.size() - kNamed) : "");
}

void print_text(const AnchorReport& report) {
  const auto& anchors = report.rpn.anchors;
  std::cout << fmt::format(
      "The anchor that fits each box of {} best, at training scale ({} to {} pixels); small is below\n"
      "32 x 32, large from 96 x 96 on. The config's sizes [{}], ratios [{}] on strides [{}]:\n",
      fmt::join(report.truth.parts, ", "), report.min_size, report.max_size, fmt::join(anchors.sizes, ", "),
      fmt::join(anchors.ratios, ", "), fmt::join(report.maps.strides, ", "));
  print_table(report, report.present, true);
  if (!report.notable()) {
    std::cout << fmt::format("The config's anchors are good: as many others gain less than {} in the mean.\n",
                             kNotable);
    return;
  }
  std::cout << fmt::format("\n{}\n", as_overrides(report.suggested))
            << "would reach more; found by a search for the largest mean best IoU, on 5000 boxes at most:\n";
  print_table(report, report.better, false);
  print_losses(report);
}

void run(const DataAnchorsArguments& arguments) {
  const auto root = config::Config::load(arguments.config, arguments.overrides).root();
  const auto options = data::DataOptions::from(root.child("data"));
  const auto model = root.child("model");
  if (model.require("type") == nn::kFastRcnnModel) {
    throw model.error("type", "is given its proposals: it has no anchors");
  }
  const auto rpn = nn::RpnOptions::from(model.child("rpn"), nn::read_convention(model));
  const auto maps = anchor_maps(model, rpn);
  const auto truth = read_truth(training_parts(arguments.dataset), options.min_size, options.max_size,
                                nn::PixelOptions::from(model.child("pixels"), rpn.anchors.convention).resize,
                                rpn.anchors.convention);
  AnchorReport report{.truth = truth,
                      .rpn = rpn,
                      .maps = maps,
                      .min_size = options.min_size,
                      .max_size = options.max_size,
                      .present = measure(truth, rpn.anchors, maps, rpn.matcher),
                      .suggested = data::better_anchors(truth.boxes, rpn.anchors, maps),
                      .better = {}};
  report.better = measure(truth, report.suggested, maps, rpn.matcher);
  arguments.json ? print_json(report) : print_text(report);
}

}  // namespace

void add_data_anchors(CLI::App& app) {
  auto* command = app.add_subcommand(
      "anchors", "say how well a config's anchors fit a data set's boxes, and which would fit better");
  auto arguments = std::make_shared<DataAnchorsArguments>();
  add_dataset(*command, arguments->dataset);
  add_policies(*command, arguments->dataset.locate);
  command->add_option("config", arguments->config, "the config of the detector and of the training scale")
      ->required();
  command->add_option("overrides", arguments->overrides, "key=value ..., instead of what the config says");
  command->add_flag("--json", arguments->json, "one JSON object on stdout instead of a table");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
