#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <set>
#include <string>

#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/categories.h>
#include <rcnn/data/images/find_images.h>
#include <rcnn/data/images/image.h>
#include <rcnn/infer/detect_files.h>
#include <rcnn/infer/output_folder.h>
#include <rcnn/infer/proposal_source.h>
#include <rcnn/infer/results.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/files/new_folder.h>
#include <rcnn/io/files/output_file.h>
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
constexpr StopWords kDetectStopWords{
    .at_once = "interrupted before the first image\n",
    .requested =
        "stops after the image in work and writes what was found; Ctrl-C once more leaves at once\n"};

bool is_below(fs::path path, const fs::path& folder) {
  std::error_code not_there;
  for (; !fs::equivalent(path, folder, not_there); path = path.parent_path()) {
    if (path == path.root_path()) return false;
  }
  return true;
}

/// Nothing that was named may be replaced: no image lies, or leads by links, into the output folder or below
/// it.
void check_output(const fs::path& output, const std::vector<data::FoundImage>& images) {
  std::error_code error;
  if (!fs::exists(output, error)) return;
  std::set<fs::path> apart;
  const auto check = [&](const fs::path& image, const fs::path& folder) {
    if (error || !is_below(folder, output)) return;
    throw ConfigError(fmt::format("--output {}: {} lies there and could be overwritten; name another folder",
                                  output.string(), image.string()));
  };
  for (const auto& [image, relative] : images) {
    const auto parent = image.has_parent_path() ? image.parent_path() : ".";
    if (apart.insert(parent).second) check(image, fs::canonical(parent, error));
    if (fs::is_symlink(image, error)) check(image, fs::canonical(image, error).parent_path());
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

/// Every file that is read.
std::set<io::FileId> inputs_of(const DetectArguments& arguments,
                               const std::vector<data::FoundImage>& images) {
  std::vector<fs::path> paths = {arguments.weights, arguments.proposals};
  for (const auto& image : images) paths.push_back(image.path);
  return io::file_ids(paths);
}

/// Throws ConfigError for weights of a region proposal network alone.
TensorDetector load_detector(const fs::path& weights, const DetectorOptions& options) {
  auto detector = TensorDetector::load(weights, options);
  if (!detector.finds_proposals()) return detector;
  throw ConfigError(
      fmt::format("{}: finds proposals, not objects of classes: rcnn propose writes them, rcnn eval scores "
                  "them",
                  weights.string()));
}

/// Where the proposals come from; null for a detector that makes its own. Throws ConfigError for weights that
/// do not go with the arguments.
std::unique_ptr<ProposalSource> proposal_source(const DetectArguments& arguments,
                                                const std::vector<data::FoundImage>& files,
                                                const TensorDetector& detector) {
  if (!detector.needs_proposals()) {
    if (arguments.proposals.empty()) return nullptr;
    throw ConfigError(fmt::format("--proposal-file: {} makes its own proposals", arguments.weights.string()));
  }
  if (!arguments.proposals.empty()) return stored_proposals(arguments.proposals, files);
  const data::SearchWorkersOptions options;
  log::info(fmt::format("no --proposal-file: Selective Search ({}) makes the proposals of each image",
                        options.search.word()));
  return searched_proposals(files, options, detector.max_megapixels());
}

/// One detection of the program: where its time goes, and what it came to. Made only where it can write.
class Detecting {
 public:
  Detecting(const DetectArguments& arguments, const std::vector<data::FoundImage>& files,
            const TensorDetector& detector, ProposalSource* proposals)
      : arguments_(arguments),
        files_(files),
        detector_(detector),
        proposals_(proposals),
        labels_(labels_of(arguments.classes, detector.categories())),
        inputs_(inputs_of(arguments, files)),
        folder_(arguments.output, {kResults, kTable}, inputs_),
        writer_(folder_, detector.categories(), {.pictures = arguments.pictures, .crops = arguments.crops}) {
    io::make_folder(arguments.output);
    add_list(kResults, ResultsFile::Form::json);
    if (arguments.csv) add_list(kTable, ResultsFile::Form::csv);
  }

  void run(const StopSignals& signals) {
    const int64_t batch = arguments_.batch > 0 ? arguments_.batch : detector_.device().is_cpu() ? 1 : 4;
    const int64_t decoders = arguments_.threads > 0 ? arguments_.threads : 2;
    std::vector<fs::path> paths;
    for (const auto& file : files_) paths.push_back(file.path);
    try {
      times_ = detect_files(detector_, paths, {.batch = batch, .decoders = decoders, .proposals = proposals_},
                            [&](FileResult result, const DetectFilesTimes& times) {
                              take(std::move(result));
                              line_.show(done_, std::ssize(files_), "  " + speed(times));
                              return !signals.requested();
                            });
      writer_.finish();
      warn_of_pictures();
      for (const auto& list : lists_) list->finish();
    } catch (const io::WriteError& error) {
      throw DataError(fmt::format("{}; ended after {} of {} images", error.what(), done_, files_.size()));
    }
    line_.clear();
  }

  void say_outcome() const {
    const auto& words = arguments_;
    log::info(fmt::format("{} objects on {} images, {}", objects_, done_ - bad_images_, speed(times_)));
    log::info(fmt::format("{}{}detections.json{} in {}", words.pictures ? "pictures, " : "",
                          words.crops ? "crops, " : "", words.csv ? ", detections.csv" : "",
                          words.output.string()));
    if (bad_images_ > 0) log::warn(fmt::format("{} of {} images failed, see above", bad_images_, done_));
    if (bad_pictures_ > 0)
      log::warn(fmt::format("pictures of {} images could not be written, see above", bad_pictures_));
  }

  int64_t bad() const { return bad_images_ + bad_pictures_; }
  int64_t done() const { return done_; }

 private:
  void add_list(const char* name, ResultsFile::Form form) {
    const io::OutputFile file("--output", arguments_.output / name, inputs_);
    lists_.push_back(std::make_unique<ResultsFile>(file.path(), form, detector_.categories()));
  }

  void take(FileResult result) {
    if (!result.error.empty()) {
      ++bad_images_;
      warn(result.error);
    } else {
      for (const auto& remark : result.remarks) {
        if (!remarks_.insert(remark).second) continue;
        warn(fmt::format("{}: {} (said of the first such file alone)", files_[result.index].path.string(),
                         remark));
      }
      list(result);
      writer_.add(files_[result.index].relative, std::move(result));
    }
    ++done_;
    warn_of_pictures();
  }

  void list(FileResult& result) {
    if (!labels_.empty()) {
      std::erase_if(result.detections, [&](const Detection& detection) {
        return !std::ranges::binary_search(labels_, detection.label);
      });
    }
    const auto id = static_cast<int64_t>(result.index) + 1;
    const ImageDetections found{id, files_[result.index].path.string(), result.detections};
    for (const auto& file : lists_) file->add(found);
    objects_ += std::ssize(result.detections);
  }

  void warn_of_pictures() {
    const auto errors = writer_.take_errors();
    for (const auto& error : errors) warn(error);
    bad_pictures_ += std::ssize(errors);
  }

  void warn(const std::string& error) const {
    line_.clear();
    log::warn(error);
  }

  std::string speed(const DetectFilesTimes& times) const {
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - begin_;
    const auto images = static_cast<double>(std::max<int64_t>(done_, 1));
    const auto each = [&](double seconds) { return 1000 * seconds / images; };
    return fmt::format(
        "{:.2f} images a second: decoding {:.1f} ms, {}network {:.1f} ms, drawing {:.1f} ms an image",
        images / since.count(), each(times.decode),
        proposals_ ? fmt::format("proposals {:.1f} ms, ", each(times.proposals)) : "", each(times.network),
        each(writer_.seconds()));
  }

  const DetectArguments& arguments_;
  const std::vector<data::FoundImage>& files_;
  const TensorDetector& detector_;
  ProposalSource* const proposals_;
  const std::vector<int64_t> labels_;
  const std::set<io::FileId> inputs_;
  const ProgressLine line_{"detecting"};
  std::set<std::string> remarks_;  // that were said
  std::vector<std::unique_ptr<ResultsFile>> lists_;
  int64_t done_ = 0, bad_images_ = 0, bad_pictures_ = 0, objects_ = 0;
  DetectFilesTimes times_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  OutputFolder folder_;
  PictureWriter writer_;
};

}  // namespace

int64_t detect(const DetectArguments& arguments) {
  const StopSignals signals(kDetectStopWords);
  keep_freed_memory();
  const auto files =
      data::find_images(arguments.inputs, {.recursive = arguments.recursive, .list = &std::cin});
  check_output(arguments.output, files);
  if (arguments.threads > 0) at::set_num_threads(static_cast<int>(arguments.threads));
  auto options = arguments.detector;
  options.view_batch = std::max<int64_t>(arguments.batch, 1);
  const auto detector = load_detector(arguments.weights, options);
  const auto proposals = proposal_source(arguments, files, detector);  // before there are threads
  Detecting detecting(arguments, files, detector, proposals.get());
  signals.defer();
  detecting.run(signals);
  detecting.say_outcome();
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
  command->add_option("--weights", a.weights, "weight file that describes itself, as rcnn train writes it")
      ->required();
  command->add_option("--output", a.output, "folder for pictures and detections.json")->required();
  command->add_option("--proposal-file", a.proposals,
                      "proposals for weights that need them (Fast R-CNN), as rcnn propose writes them "
                      "[Selective Search makes them]");
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
  add_refinement(*command, detector);

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
  command->add_option("--threads", a.threads, "of the network [all cores], and as many that decode [2]")
      ->check(CLI::Range(1, 1024));
  command->callback([arguments] {
    if (detect(*arguments) > 0) throw CLI::RuntimeError(kBadData);
  });
}

}  // namespace rcnn::tools
