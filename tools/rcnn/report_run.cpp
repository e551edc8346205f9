#include "report_run.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/train/run_folder.h>

#include "evaluate.h"
#include "output_file.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code not_there;
  return fs::is_regular_file(path, not_there);
}

/// The curve with this name; a new one when there is none yet.
vis::Curve& curve_of(std::vector<vis::Curve>& curves, const std::string& name) {
  const auto found = std::ranges::find(curves, name, &vis::Curve::name);
  return found != curves.end() ? *found : curves.emplace_back(vis::Curve{.name = name});
}

void add_point(vis::Curve& curve, int64_t iteration, double value) {
  curve.x.push_back(static_cast<double>(iteration));
  curve.y.push_back(value);
}

void add_metrics(vis::Report& report, const train::Metrics& metrics) {
  constexpr size_t kMostScores = 6;
  curve_of(report.losses, "loss");
  for (const auto& [epoch, iteration, numbers] : metrics.reports) {
    for (const auto& [name, value] : numbers) {
      if (name == "time" || name == "data_time" || name == "memory") continue;
      add_point(name == "lr" ? report.lr : curve_of(report.losses, name), iteration, value);
    }
  }
  if (metrics.reports.empty()) report.losses.clear();
  for (const auto& [epoch, iteration, scores] : metrics.scores) {
    for (const auto& [name, value] : scores) {
      const bool of_a_class = name.find('.') != std::string::npos;
      if (!of_a_class) add_point(curve_of(report.scores_in_training, name), iteration, value);
    }
  }
  if (report.scores_in_training.size() > kMostScores) report.scores_in_training.resize(kMostScores);
  report.lr.name = "learning rate";
  if (metrics.reports.empty()) {
    report.warnings.push_back("losses: metrics.jsonl has no line yet");
    return;
  }
  const auto& last = metrics.reports.back();
  report.facts.push_back({"iterations", std::to_string(last.iteration)});
  report.facts.push_back({"epoch", std::to_string(last.epoch)});
  const auto& losses = report.losses.front().y;
  if (!losses.empty()) report.facts.push_back({"last loss", fmt::format("{:.4f}", losses.back())});
}

fs::path weights_of(const fs::path& folder, const ReportRunArguments& arguments) {
  if (!arguments.weights.empty()) return arguments.weights;
  for (const char* name : {"best.safetensors", "last.safetensors"}) {
    if (is_file(folder / name)) return folder / name;
  }
  return {};
}

/// Detects on the test part and adds what that says.
void add_scores(vis::Report& report, const config::Config& config, nn::DescribedModel model,
                const ReportRunArguments& arguments, vis::EvaluationOptions options, io::OutputFile& output) {
  const auto root = config.root();
  const auto data = data::DataOptions::from(root.child("data"));
  const auto eval_options =
      EvalOptions::from(root.child("eval"), data, *nn::as_detection_model(model.model, root.child("model")));
  root.has("model");
  root.has("train");
  root.finish();
  const TensorDetector detector(std::move(model), {.device = arguments.device});
  auto test = open_test_set(data, detector.categories());
  search_missing_proposals(test, detector);
  output.add_inputs(files_of(test));
  const auto [score, images] =
      *evaluate(detector, test, eval_options, {.max_detections = options.max_detections}, kNeverStop);

  if (eval_options.metric == EvalOptions::Metric::proposals) {  // which have no classes, and no wrong ones
    report.facts.insert(report.facts.begin(), {"average recall", fmt::format("{:.3f}", score.value)});
    report.facts.push_back({"test images", std::to_string(images.size())});
    return;
  }
  auto input = evaluation_input(coco_input(test, images, {.max_detections = options.max_detections}), report);
  const auto name = eval_options.metric == EvalOptions::Metric::coco ? "COCO's AP" : "VOC mAP";
  report.facts.insert(report.facts.begin(), {name, fmt::format("{:.3f}", score.value)});
  report.facts.push_back({"test images", std::to_string(images.size())});
  report.facts.push_back(
      {"test objects", std::to_string(std::ranges::count(*input.truths, false, &eval::CocoTruth::crowd))});
  report.environment.push_back({"device", detector.device().str()});

  std::unordered_map<int64_t, fs::path> files;
  for (int64_t i = 0; i < test.dataset->size(); ++i) {
    files.emplace(images[static_cast<size_t>(i)].image_id, test.dataset->record(i).image);
  }
  ImageReader reader(report);
  options.read = [&](int64_t id) {
    const auto& file = files.at(id);
    return reader.read(file.filename().string(), file);
  };
  vis::add_evaluation(report, std::move(input), options);
}

}  // namespace

std::optional<vis::NamedImage> ImageReader::read(const std::string& name, const fs::path& file) {
  try {
    return vis::NamedImage{.name = name, .image = data::read_image(file)};
  } catch (const DataError& error) {
    if (!std::exchange(warned_, true))
      report_.warnings.push_back(fmt::format("images that cannot be read, the first: {}", error.what()));
    return std::nullopt;
  }
}

vis::EvaluationInput evaluation_input(eval::CocoInput input, vis::Report& report) {
  std::ranges::move(input.warnings, std::back_inserter(report.notes));
  return {.image_ids = std::move(input.image_ids),
          .categories = std::move(input.categories),
          .truths = std::move(input.truths),
          .detections = std::move(input.detections),
          .incomparable = std::move(input.incomparable)};
}

vis::Report report_of_run(const fs::path& folder, const ReportRunArguments& arguments,
                          const vis::EvaluationOptions& options, io::OutputFile& output) {
  const auto config_file = folder / "config.json";
  if (!is_file(config_file)) {
    throw ConfigError(fmt::format("{}: holds no run: there is no config.json", folder.string()));
  }
  const auto config = config::Config::load(config_file, arguments.overrides);
  if (config.root().has("stages")) {
    throw ConfigError(
        fmt::format("{}: holds a chain of stages: name the folder of one, N-name", folder.string()));
  }
  const auto absolute = fs::absolute(folder).lexically_normal();
  const auto name = absolute.has_filename() ? absolute.filename() : absolute.parent_path().filename();
  vis::Report report{.title = name.string(), .config = config.dump()};
  report.environment.push_back({"run", folder.string()});
  add_metrics(report, train::read_metrics(folder / "metrics.jsonl"));

  const auto weights = weights_of(folder, arguments);
  if (weights.empty()) {
    report.subtitle = "training without weights yet";
    report.warnings.push_back(
        "scores and images: there is neither best.safetensors nor last.safetensors yet; --weights names "
        "others");
    return report;
  }
  std::vector<std::string> of_model;
  std::ranges::copy_if(arguments.overrides, std::back_inserter(of_model),
                       [](const std::string& override) { return override.starts_with("model."); });
  auto model = nn::load_model(weights, of_model);
  report.environment.push_back({"weights", weights.string()});
  report.subtitle = fmt::format("{} on the test part of the run's data", weights.filename().string());
  try {
    add_scores(report, config, std::move(model), arguments, options, output);
  } catch (const DataError& error) {
    report.warnings.push_back(fmt::format("scores and images: {}", error.what()));
  }
  return report;
}

}  // namespace rcnn::tools
