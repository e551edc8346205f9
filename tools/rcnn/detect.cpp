#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <set>
#include <string>

#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/categories.h>
#include <rcnn/data/find_images.h>
#include <rcnn/data/image.h>
#include <rcnn/infer/detect_files.h>
#include <rcnn/infer/output_folder.h>
#include <rcnn/infer/results.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/log.h>

#include "commands.h"
#include "freed_memory.h"
#include "picture_writer.h"
#include "progress.h"
#include "stop_signals.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kResults = "detections.json";
constexpr const char* kTable = "detections.csv";
constexpr StopWords kStopWords{
    .at_once = "interrupted before the first image\n",
    .requested =
        "stops after the image in work and writes what was found; Ctrl-C once more leaves at once\n"};

/// Nothing that was named may be replaced: no image lies in the output folder or below it.
void check_output(const fs::path& output, const std::vector<data::FoundImage>& images) {
  std::error_code not_there;
  const auto folder = fs::canonical(output, not_there);
  if (not_there) return;
  std::set<fs::path> apart;
  for (const auto& [image, relative] : images) {
    const auto parent = image.has_parent_path() ? image.parent_path() : ".";
    if (!apart.insert(parent).second) continue;
    if (std::ranges::mismatch(folder, fs::canonical(parent)).in1 == folder.end()) {
      throw ConfigError(
          fmt::format("--output {}: {} lies there and could be overwritten; name another folder",
                      output.string(), image.string()));
    }
  }
}

void make_output(const fs::path& output) {
  std::error_code error;
  fs::create_directories(output, error);
  if (error || !fs::is_directory(output)) {
    throw ConfigError(fmt::format("--output {}: cannot be made: {}", output.string(),
                                  error ? error.message() : "it is a file"));
  }
}

std::vector<int64_t> labels_of(const std::vector<std::string>& classes,
                               const std::vector<Category>& categories) {
  try {
    return data::labels_of(classes, categories);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("--classes: {}", error.what()));
  }
}

/// One detection of the program: where its time goes, and what it came to.
class Detecting {
 public:
  Detecting(const DetectArguments& arguments, const std::vector<data::FoundImage>& files,
            const TensorDetector& detector)
      : arguments_(arguments),
        files_(files),
        detector_(detector),
        labels_(labels_of(arguments.classes, detector.categories())),
        folder_(arguments.output, {kResults, kTable}),
        writer_(folder_, detector.categories(), {.pictures = arguments.pictures, .crops = arguments.crops}) {}

  void run(const StopSignals& signals) {
    const int64_t batch = arguments_.batch > 0 ? arguments_.batch : detector_.device().is_cpu() ? 1 : 4;
    const int64_t decoders = arguments_.threads > 0 ? arguments_.threads : 2;
    std::vector<fs::path> paths;
    for (const auto& file : files_) paths.push_back(file.path);
    times_ = detect_files(detector_, paths, {.batch = batch, .decoders = decoders},
                          [&](FileResult result, const DetectFilesTimes& times) {
                            take(std::move(result));
                            line_.show(done_, std::ssize(files_), "  " + speed(times));
                            return !signals.requested();
                          });
    writer_.finish();
    warn_of(writer_.take_errors());
    line_.clear();
  }

  void write_lists() const {
    write_results(arguments_.output / kResults, results_, detector_.categories());
    if (arguments_.csv) write_csv(arguments_.output / kTable, results_, detector_.categories());
  }

  void summarize() const {
    const auto& words = arguments_;
    log::info(fmt::format("{} objects on {} images, {}", objects_, results_.size(), speed(times_)));
    log::info(fmt::format("{}{}detections.json{} in {}", words.pictures ? "pictures, " : "",
                          words.crops ? "crops, " : "", words.csv ? ", detections.csv" : "",
                          words.output.string()));
    if (bad_ > 0) log::warn(fmt::format("{} of {} images failed, see above", bad_, done_));
  }

  int64_t bad() const { return bad_; }
  int64_t done() const { return done_; }

 private:
  void take(FileResult result) {
    ++done_;
    warn_of(writer_.take_errors());
    if (!result.error.empty()) return warn_of({result.error});
    if (!labels_.empty()) {
      std::erase_if(result.detections, [&](const Detection& detection) {
        return !std::ranges::binary_search(labels_, detection.label);
      });
    }
    const auto& [path, relative] = files_[result.index];
    results_.push_back({static_cast<int64_t>(result.index) + 1, path.string(), result.detections});
    objects_ += std::ssize(result.detections);
    writer_.add(relative, std::move(result));
  }

  void warn_of(const std::vector<std::string>& errors) {
    if (!errors.empty()) line_.clear();
    for (const auto& error : errors) log::warn(error);
    bad_ += std::ssize(errors);
  }

  std::string speed(const DetectFilesTimes& times) const {
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - begin_;
    const auto images = static_cast<double>(std::max<int64_t>(done_, 1));
    const auto each = [&](double seconds) { return 1000 * seconds / images; };
    return fmt::format(
        "{:.2f} images a second: decoding {:.1f} ms, network {:.1f} ms, drawing {:.1f} ms an image",
        images / since.count(), each(times.decode), each(times.network), each(writer_.seconds()));
  }

  const DetectArguments& arguments_;
  const std::vector<data::FoundImage>& files_;
  const TensorDetector& detector_;
  const std::vector<int64_t> labels_;
  const ProgressLine line_{"detecting"};
  std::vector<ImageDetections> results_;
  int64_t done_ = 0, bad_ = 0, objects_ = 0;
  DetectFilesTimes times_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  OutputFolder folder_;
  PictureWriter writer_;
};

}  // namespace

int64_t detect(const DetectArguments& arguments) {
  const StopSignals signals(kStopWords);
  keep_freed_memory();
  const auto files =
      data::find_images(arguments.inputs, {.recursive = arguments.recursive, .list = &std::cin});
  check_output(arguments.output, files);
  if (arguments.threads > 0) at::set_num_threads(static_cast<int>(arguments.threads));
  auto options = arguments.detector;
  options.view_batch = std::max<int64_t>(arguments.batch, 1);
  const auto detector = TensorDetector::load(arguments.weights, options);
  Detecting detecting(arguments, files, detector);
  make_output(arguments.output);
  signals.defer();
  detecting.run(signals);
  detecting.write_lists();
  detecting.summarize();
  if (signals.requested()) {
    log::info(fmt::format("interrupted after {} of {} images", detecting.done(), files.size()));
    throw CLI::RuntimeError(signals.exit_code());
  }
  return detecting.bad();
}

void add_detect(CLI::App& app) {
  auto* command = app.add_subcommand("detect", "find objects on images, draw them and list them");
  auto arguments = std::make_shared<DetectArguments>();
  auto& a = *arguments;
  auto& detector = a.detector;
  const auto share = CLI::Range(0.0, 1.0);
  command
      ->add_option("inputs", a.inputs,
                   "images, folders of them, quoted patterns ('photos/**/*.jpg'), - for a "
                   "list on stdin, one a line")
      ->required();
  command->add_option("--weights", a.weights, "weight file that rcnn train wrote")->required();
  command->add_option("--output", a.output, "folder for pictures and detections.json")->required();
  command->add_flag("--recursive", a.recursive, "folders with all folders below them");
  command->add_flag_callback(
      "--no-images", [&a] { a.pictures = false; }, "draw no pictures");
  command->add_flag("--csv", a.csv, "write detections.csv, too");
  command->add_flag("--crops", a.crops, "write each object as crops/CLASS/NAME_NUMBER.jpg");

  command->add_option("--score", detector.score_threshold, "lowest score to report [0.5]")->check(share);
  command->add_option("--classes", a.classes, "names or ids to report, with commas between [all]")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--max", detector.max_detections, "most objects of an image, best first [the model's]")
      ->check(CLI::Range(1, 1'000'000));
  command
      ->add_option("--nms", detector.nms_threshold,
                   "overlap (IoU) above which the lower score of a class goes [the model's]")
      ->check(share);
  command
      ->add_option_function<std::string>(
          "--soft-nms", [&detector](const std::string& decay) { detector.nms = "soft_" + decay; },
          "linear or gaussian: overlaps lower scores, and drop those below --score alone")
      ->check(CLI::IsMember({"linear", "gaussian"}));

  auto& views = detector.views;
  command->add_flag("--flip", views.flip, "look at each image mirrored, too, and merge");
  command
      ->add_option("--scales", views.min_sizes,
                   "shorter sides to look at, as 600,800,1000, and merge [the model's]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(16, 16384));
  auto* tile =
      command->add_option("--tile", views.tile, "cut images larger than this side in pixels into tiles")
          ->check(CLI::Range(32, 1'000'000));
  command->add_option("--overlap", views.overlap, "share of a tile that neighbours have in common")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str()
      ->needs(tile);

  command
      ->add_option(
          "--max-megapixels", detector.max_megapixels,
          "largest image that is decoded, in millions of pixels [100, or what the weights were trained "
          "with; with --tile 1000]; a view of --scales may have as many, and 100 at least")
      ->check(CLI::Range(int64_t{1}, data::kMostMegapixels));

  command->add_option("--device", detector.device, "auto, cpu or cuda")->capture_default_str();
  add_precision(*command, detector.precision);
  command->add_option("--batch", a.batch, "images at once [1 on a CPU, 4 on a GPU]")
      ->check(CLI::Range(1, 1024));
  command->add_option("--threads", a.threads, "of the network, and as many that decode [all cores, 2]")
      ->check(CLI::Range(1, 1024));
  command->callback([arguments] {
    if (detect(*arguments) > 0) throw CLI::RuntimeError(kBadData);
  });
}

}  // namespace rcnn::tools
