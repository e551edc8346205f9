#include <algorithm>
#include <ctime>
#include <memory>
#include <unordered_map>

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>
#include <sys/utsname.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/data/image.h>
#include <rcnn/data/result_ids.h>
#include <rcnn/error.h>
#include <rcnn/io/atomic_file.h>
#include <rcnn/log.h>
#include <rcnn/version.h>
#include <rcnn/vis/evaluation.h>

#include "coco_score.h"
#include "commands.h"
#include "report_run.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  fs::path input, output;
  ReportRunArguments run;
  fs::path annotations, images;
  vis::EvaluationOptions evaluation;
};

std::vector<vis::Fact> environment() {
  utsname system{};
  uname(&system);
  const auto cuda = cuda_version();
  return {{"made", fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)))},
          {"rcnn", version()},
          {"LibTorch", torch_version()},
          {"CUDA kernels", cuda.empty() ? "none" : fmt::format("{} ({})", cuda, cuda_architectures())},
          {"OpenCV", data::opencv_version()},
          {"system", fmt::format("{} {}", system.sysname, system.machine)}};
}

/// Where the images of a list of results are.
std::unordered_map<int64_t, std::string> file_names(const std::optional<data::CocoFile>& file,
                                                    const data::CocoResultNames& names) {
  std::unordered_map<int64_t, std::string> files(names.files.begin(), names.files.end());
  if (file) {
    files.clear();
    for (const auto& image : file->images) files.emplace(image.id, image.file_name);
  }
  return files;
}

/// Where the image of a name lies: below the folder that was named, with or without the name's own folders;
/// without such a folder where the name leads, which is what `rcnn detect` writes. Empty when it is not
/// there.
fs::path image_of(const std::string& name, const fs::path& folder) {
  std::error_code not_there;
  for (const auto& file : {folder / name, folder / fs::path(name).filename()}) {
    if (!name.empty() && fs::is_regular_file(file, not_there)) return file;
  }
  return {};
}

vis::EvaluationInput input_of(const std::optional<data::CocoFile>& file, const data::CocoResultNames& names,
                              std::vector<data::CocoResult> results, const fs::path& origin) {
  vis::EvaluationInput input;
  if (file) {
    results = data::with_ids_of(*file, std::move(results), names, origin.string());
    input.categories = file->categories;
    input.truths = truths_of(*file);
    for (const auto& image : file->images) input.image_ids.push_back(image.id);
  } else {
    std::map<int64_t, std::string> categories = names.categories;
    std::map<int64_t, bool> images;
    for (const auto& result : results) {
      categories.emplace(result.category_id, fmt::format("category {}", result.category_id));
      images.emplace(result.image_id, true);
    }
    for (const auto& [id, name] : categories) input.categories.push_back({id, name});
    for (const auto& [id, there] : images) input.image_ids.push_back(id);
  }
  for (const auto& r : results) input.detections.push_back({r.image_id, r.category_id, r.box, r.score});
  return input;
}

vis::Report report_of_detections(const Arguments& arguments) {
  const auto names = data::read_coco_result_names(arguments.input);
  std::optional<data::CocoFile> file;
  if (!arguments.annotations.empty()) file = data::read_coco_file(arguments.annotations);
  auto input = input_of(file, names, data::read_coco_results(arguments.input), arguments.input);

  vis::Report report{.title = arguments.input.filename().string(),
                     .subtitle = file ? fmt::format("scored against {}", arguments.annotations.string())
                                      : "detections alone"};
  report.facts = {{"images", std::to_string(input.image_ids.size())},
                  {"classes", std::to_string(input.categories.size())},
                  {"detections", std::to_string(input.detections.size())}};
  if (file) {
    report.facts.push_back(
        {"objects", std::to_string(std::ranges::count(*input.truths, false, &eval::CocoTruth::crowd))});
  } else {
    report.warnings.push_back(
        "scores, errors and confusions: without --annotations it is not known what is there");
  }
  auto evaluation = arguments.evaluation;
  ImageReader reader(report);
  const auto files = file_names(file, names);
  const auto is_there = [&](const auto& entry) { return !image_of(entry.second, arguments.images).empty(); };
  if (std::ranges::any_of(files, is_there)) {
    evaluation.read = [&](int64_t id) {
      const auto entry = files.find(id);
      const auto name = entry == files.end() ? fmt::format("image {}", id) : entry->second;
      const auto found = image_of(name, arguments.images);
      return reader.read(name, found.empty() ? arguments.images / name : found);
    };
  } else {
    report.warnings.push_back(
        fmt::format("images: none of them is {}; --images FOLDER says where they are",
                    arguments.images.empty() ? "where the list says" : "in " + arguments.images.string()));
  }
  vis::add_evaluation(report, std::move(input), evaluation);
  return report;
}

/// Everything about the output that can be said before the work.
void check_output(const fs::path& output) {
  std::error_code not_there;
  if (fs::is_directory(output, not_there)) {
    throw ConfigError(fmt::format("--output {}: is a folder; name a file, {}", output.string(),
                                  (output / "report.html").string()));
  }
  const auto folder = output.has_parent_path() ? output.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, not_there)) {
    throw ConfigError(fmt::format("--output {}: there is no folder {}", output.string(), folder.string()));
  }
}

void run(const Arguments& arguments) {
  check_output(arguments.output);
  const bool is_run = fs::is_directory(arguments.input);
  if (!is_run && (!arguments.run.weights.empty() || !arguments.run.overrides.empty())) {
    throw ConfigError(
        "report: --weights and key=value go with a run's folder, not with a list of detections");
  }
  if (is_run && (!arguments.annotations.empty() || !arguments.images.empty())) {
    throw ConfigError(
        "report: --annotations and --images go with a list of detections; a run's data stand in its config");
  }
  auto report = is_run ? report_of_run(arguments.input, arguments.run, arguments.evaluation)
                       : report_of_detections(arguments);
  for (const auto& fact : environment()) report.environment.push_back(fact);
  for (const auto& warning : report.warnings) log::warn("missing in the report: " + warning);
  const auto page = vis::to_html(report);
  io::write_atomically(arguments.output, page);
  log::info(fmt::format("report of {}: {}, {:.1f} MB", arguments.input.string(), arguments.output.string(),
                        static_cast<double>(page.size()) / 1e6));
}

}  // namespace

void add_report(CLI::App& app) {
  auto* command = app.add_subcommand(
      "report", "one HTML page about a run or a list of detections: losses, scores, errors, images");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("input", arguments->input, "folder of a run, or a list of COCO results")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("overrides", arguments->run.overrides,
                      "of a run: key=value ..., instead of what its config says");
  command->add_option("--output", arguments->output, "the page, an HTML file")->required();
  command->add_option("--weights", arguments->run.weights,
                      "of a run: weights to score (default: best.safetensors, or else last.safetensors)");
  command->add_option("--annotations", arguments->annotations,
                      "of a list: the COCO instances that its images are of");
  command->add_option("--images", arguments->images, "of a list: folder of its images");
  command
      ->add_option("--images-shown", arguments->evaluation.images,
                   "so many of the worst and so many of the best images")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command
      ->add_option("--score", arguments->evaluation.thresholds.score_threshold,
                   "lowest score of detections in confusions and on images")
      ->capture_default_str();
  command->add_option("--device", arguments->run.device, "auto, cpu or cuda")->capture_default_str();
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
