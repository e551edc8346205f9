#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>
#include <sys/utsname.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/log.h>
#include <rcnn/version.h>
#include <rcnn/vis/evaluation.h>

#include "coco_files.h"
#include "commands.h"
#include "listed_images.h"
#include "max_detections.h"
#include "output_file.h"
#include "report_run.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

struct ReportArguments {
  fs::path input, output;
  ReportRunArguments run;
  fs::path annotations, images;
  vis::EvaluationOptions evaluation;
  std::vector<const CLI::Option*> of_run, of_list;  // that have no meaning for the other
  const CLI::Option* max_dets = nullptr;
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

/// What a list alone calls its images, or its categories, by their ids. Throws DataError for one that it has
/// two names for.
std::map<int64_t, std::string> names_by_id(const data::CocoResultList& list,
                                           const data::CocoResultNames& names, int64_t data::CocoResult::*id,
                                           const char* what, const fs::path& origin) {
  std::map<int64_t, std::string> by_id;
  for (size_t i = 0; i < names.of_results.size(); ++i) {
    if (names.of_results[i] == data::CocoResultNames::kNone) continue;
    const auto& name = names.names[static_cast<size_t>(names.of_results[i])];
    const auto [known, is_new] = by_id.emplace(list.results[i].*id, name);
    if (is_new || known->second == name) continue;
    throw DataError(fmt::format("{}: {} {} is {} and {}; make a report of each of the lists that were joined",
                                origin.string(), what, known->first, known->second, name));
  }
  return by_id;
}

/// The file names of a list's images, by id: those of the annotations where there are some.
std::map<int64_t, std::string> file_names(const std::optional<data::CocoFile>& file,
                                          const data::CocoResultList& list, const fs::path& origin) {
  if (!file) return names_by_id(list, list.images, &data::CocoResult::image_id, "image", origin);
  std::map<int64_t, std::string> files;
  for (const auto& image : file->images) files.emplace(image.id, image.file_name);
  return files;
}

vis::EvaluationInput input_without_truths(const data::CocoResultList& list, const fs::path& origin) {
  vis::EvaluationInput input;
  auto categories = names_by_id(list, list.categories, &data::CocoResult::category_id, "category", origin);
  std::set<int64_t> images;
  for (const auto& r : list.results) {
    categories.emplace(r.category_id, fmt::format("category {}", r.category_id));
    images.insert(r.image_id);
    input.detections.push_back({r.image_id, r.category_id, r.box, r.score});
  }
  for (const auto& [id, name] : categories) input.categories.push_back({id, name});
  input.image_ids.assign(images.begin(), images.end());
  return input;
}

vis::Report report_of_detections(const ReportArguments& arguments, io::OutputFile& output) {
  std::optional<data::CocoFile> file;
  if (!arguments.annotations.empty()) file = data::read_coco_file(arguments.annotations);
  auto list = data::read_coco_results(arguments.input, file ? file->text_ids : data::CocoTextIds());
  const auto files = file_names(file, list, arguments.input);

  vis::Report report{.title = arguments.input.filename().string(),
                     .subtitle = file ? fmt::format("scored against {}", arguments.annotations.string())
                                      : "detections alone"};
  vis::EvaluationInput input;
  if (file) {
    input = evaluation_input(eval::coco_input(to_annotations(*file), to_results(std::move(list)),
                                              {.annotations = arguments.annotations.string(),
                                               .results = arguments.input.string(),
                                               .max_detections = arguments.evaluation.max_detections}),
                             report);
  } else {
    input = input_without_truths(list, arguments.input);
  }
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
  ListedImages images(arguments.images, file.has_value());
  std::vector<fs::path> there;
  for (const auto& [id, name] : files) there.push_back(images.find(name));
  output.add_inputs(io::file_ids(there));
  const auto is_there = [](const fs::path& image) { return !image.empty(); };
  if (std::ranges::any_of(there, is_there)) {
    evaluation.read = [&](int64_t id) {
      const auto entry = files.find(id);
      const auto name = entry == files.end() ? fmt::format("image {}", id) : entry->second;
      const auto found = images.find(name);
      if (images.leads_out(name)) return std::optional<vis::NamedImage>();
      return reader.read(name, found.empty() ? arguments.images / name : found);
    };
  } else {
    report.warnings.push_back(fmt::format("images: none of them is {}; --images FOLDER says where they are",
                                          !arguments.images.empty() ? "in " + arguments.images.string()
                                          : file ? "in the current folder, by the names of the annotations"
                                                 : "where the list says"));
  }
  vis::add_evaluation(report, std::move(input), evaluation);
  if (const auto warning = images.warning(); !warning.empty()) report.warnings.push_back(warning);
  return report;
}

void run(const ReportArguments& arguments) {
  const std::vector<fs::path> inputs = {arguments.input, arguments.annotations, arguments.run.weights};
  auto output = output_file("--output", arguments.output, inputs);
  const bool is_run = fs::is_directory(arguments.input);
  for (const auto* option : is_run ? arguments.of_list : arguments.of_run) {
    if (option->count() == 0) continue;
    throw ConfigError(fmt::format("report: {} goes with {}, not with {}", option->get_name(),
                                  is_run ? "a list of detections" : "a run's folder",
                                  is_run ? "a run's folder" : "a list of detections"));
  }
  if (!is_run && arguments.annotations.empty() && arguments.max_dets->count() > 0)
    throw ConfigError("report: --max-dets is of scores, which need --annotations");
  auto report = is_run ? report_of_run(arguments.input, arguments.run, arguments.evaluation, output)
                       : report_of_detections(arguments, output);
  for (const auto& fact : environment()) report.environment.push_back(fact);
  for (const auto& warning : report.warnings) log::warn("missing in the report: " + warning);
  for (const auto& note : report.notes) log::warn(note);
  const auto page = vis::to_html(report);
  output.write(page);
  log::info(fmt::format("report of {}: {}, {:.1f} MB", arguments.input.string(), arguments.output.string(),
                        static_cast<double>(page.size()) / 1e6));
}

}  // namespace

void add_report(CLI::App& app) {
  auto* command = app.add_subcommand(
      "report", "one HTML page about a run or a list of detections: losses, scores, errors, images");
  auto arguments = std::make_shared<ReportArguments>();
  command->add_option("input", arguments->input, "folder of a run, or a list of COCO results")
      ->required()
      ->check(CLI::ExistingPath);
  auto* overrides = command->add_option("overrides", arguments->run.overrides,
                                        "of a run: key=value ..., instead of what its config says");
  command->add_option("--output", arguments->output, "the page, an HTML file")->required();
  auto* weights =
      command->add_option("--weights", arguments->run.weights,
                          "of a run: weights to score (default: best.safetensors, or else last.safetensors)");
  auto* annotations = command->add_option("--annotations", arguments->annotations,
                                          "of a list: the COCO instances that its images are of");
  auto* images = command->add_option("--images", arguments->images, "of a list: folder of its images");
  command
      ->add_option("--images-shown", arguments->evaluation.images,
                   "so many of the worst and so many of the best images")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command
      ->add_option("--score", arguments->evaluation.thresholds.score_threshold,
                   "lowest score of detections in confusions and on images")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  arguments->max_dets = add_max_detections(*command, arguments->evaluation.max_detections);
  auto* device = command->add_option("--device", arguments->run.device, "of a run: auto, cpu or cuda")
                     ->capture_default_str();
  arguments->of_run = {overrides, weights, device};
  arguments->of_list = {annotations, images};
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
