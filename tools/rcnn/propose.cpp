#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>

#include <rcnn/data/proposals/make_proposals.h>
#include <rcnn/infer/rpn_proposals.h>
#include <rcnn/log.h>

#include "commands.h"
#include "data_commands.h"
#include "freed_memory.h"
#include "output_file.h"
#include "progress.h"
#include "stop_signals.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

constexpr StopWords kProposeStopWords{
    .at_once = "interrupted before the first image\n",
    .requested = "stops and keeps what was done; Ctrl-C once more leaves at once\n"};

struct ProposeArguments {
  DatasetArguments dataset;
  std::string method, mode = "fast";
  fs::path weights, output;
  data::SearchWorkersOptions search;
  int64_t limit = 2000;
  DetectorOptions detector;
  std::vector<std::string> overrides, of_weights;  // key=value
  bool resume = false;
};

data::ProposalMethod method_of(const ProposeArguments& arguments) {
  if (arguments.method == "rpn") {
    return rpn_method(
        arguments.weights,
        {.detector = arguments.detector, .limit = arguments.limit, .overrides = arguments.of_weights});
  }
  auto search = arguments.search;
  search.search.mode = *data::SelectiveSearchOptions::mode_of(arguments.mode);
  search.search.limit = arguments.limit;
  return data::selective_search_method(search);
}

/// What a run of this process costs.
class Cost {
 public:
  /// The images of a second.
  std::string speed(int64_t images) const {
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - begin_;
    return fmt::format("{:.2f} images a second", static_cast<double>(images) / since.count());
  }

  /// The seconds of a core, those of worker processes that have ended included.
  double core_seconds() const { return seconds_of_cores() - cores_; }

 private:
  static double seconds_of_cores() {
    double seconds = 0;
    for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
      rusage used{};
      getrusage(whose, &used);
      for (const auto& time : {used.ru_utime, used.ru_stime})
        seconds += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    }
    return seconds;
  }

  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const double cores_ = seconds_of_cores();
};

int64_t boxes_of(const data::ProposalList& list) {
  int64_t boxes = 0;
  for (const auto& image : list.images) boxes += std::ssize(image.boxes);
  return boxes;
}

/// The line at the end; `made` of the images are this process's.
std::string outcome(const data::ProposalList& list, const fs::path& file, int64_t made, const Cost& cost) {
  const auto images = std::ssize(list.images);
  auto line = fmt::format("proposals of {} images, {:.1f} an image: {}", images,
                          static_cast<double>(boxes_of(list)) / static_cast<double>(images), file.string());
  if (made < images) line += fmt::format("; {} of the images were done before", images - made);
  if (made == 0) return line;
  return line + fmt::format("; {:.2f} s of a core an image, {}",
                            cost.core_seconds() / static_cast<double>(made), cost.speed(made));
}

void propose(const ProposeArguments& arguments) {
  const StopSignals signals(kProposeStopWords);
  data::check_proposal_ending(arguments.output);
  const std::vector<fs::path> inputs = {arguments.weights, arguments.dataset.dataset};
  auto output = output_file("--output", arguments.output, inputs);
  const auto partial = data::partial_of(arguments.output);
  if (arguments.resume && fs::exists(arguments.output) && !fs::exists(partial)) {
    throw ConfigError(
        fmt::format("--resume: {} is there and {} is not: nothing is left to do, or it is of "
                    "another run; without --resume it is made anew",
                    arguments.output.string(), partial.string()));
  }
  auto part = arguments.dataset.only_part();
  part.split.proposals.clear();  // a config's, which are to be made, perhaps
  const auto dataset = data::open(part.options, part.split);
  part.options.test = part.split;
  output.add_inputs(files_of(TestSet{part.options, dataset}));

  keep_freed_memory();
  const auto method = method_of(arguments);
  const ProgressLine line("proposing");
  const Cost cost;
  int64_t made = 0;
  signals.defer();
  data::Problems problems;
  const auto list = data::make_proposal_file(*dataset, method, output.path(),
                                             {.resume = arguments.resume,
                                              .bad_images = part.options.bad_images,
                                              .stop = [&] { return signals.requested(); },
                                              .on_progress =
                                                  [&](int64_t done, int64_t total, int64_t earlier) {
                                                    made = done - earlier;
                                                    line.show(done, total, "  " + cost.speed(made));
                                                  }},
                                             problems);
  line.clear();
  if (!list) {
    log::info(fmt::format("interrupted after {} images; what is done is in {}: --resume goes on with it",
                          made, partial.string()));
    throw CLI::RuntimeError(signals.exit_code());
  }
  problems.settle(part.name);
  log::info(outcome(*list, arguments.output, made, cost));
}

/// What changes the model of --weights, or how it sees images; the rest is the data set's.
bool is_of_weights(const std::string& override) {
  constexpr std::array kKeys = {"model.", "model=", "data.min_size=", "data.max_size="};
  return std::ranges::any_of(kKeys, [&](const char* key) { return override.starts_with(key); });
}

/// Gives each of the words key=value to what it changes.
void part_overrides(ProposeArguments& arguments) {
  for (const auto& override : arguments.overrides) {
    auto& taken = is_of_weights(override) ? arguments.of_weights : arguments.dataset.locate.overrides;
    taken.push_back(override);
  }
  if (arguments.method == "rpn" || arguments.of_weights.empty()) return;
  throw ConfigError(
      fmt::format("propose: {} is of the method rpn: Selective Search has no model and looks "
                  "at images as they are",
                  arguments.of_weights.front()));
}

}  // namespace

void add_propose(CLI::App& app) {
  auto* command = app.add_subcommand(
      "propose", "make boxes that may hold objects, for Fast R-CNN, by Selective Search or an RPN");
  auto arguments = std::make_shared<ProposeArguments>();
  auto& a = *arguments;
  add_dataset(*command, a.dataset);
  add_policies(*command, a.dataset.locate);
  command->add_option("overrides", a.overrides,
                      "key=value ...: data... instead of what a config says; model..., data.min_size and "
                      "data.max_size instead of what --weights say");
  command->add_option("--method", a.method, "selective_search, or rpn: that of --weights")
      ->check(CLI::IsMember({"selective_search", "rpn"}))
      ->required();
  command
      ->add_option("--output", a.output,
                   "the file; its ending says which: .json (COCO's results), .pkl (detectron2's) or .mat "
                   "(py-faster-rcnn's)")
      ->required();
  command->add_option("--limit", a.limit, "most proposals of an image, best first")
      ->check(CLI::Range(int64_t{1}, data::kMostProposals))
      ->capture_default_str();
  command->add_flag("--resume", a.resume, "go on with a run that was stopped: with FILE.partial");
  const std::vector<const CLI::Option*> of_search = {
      command->add_option("--mode", a.mode, "single, fast or quality: 1, 12 or 100 groupings of regions")
          ->check(CLI::IsMember({"single", "fast", "quality"}))
          ->capture_default_str(),
      command
          ->add_option("--min-side", a.search.search.min_side,
                       "shortest side of a box, in pixels of the image")
          ->check(CLI::Range(0, 1'000'000))
          ->capture_default_str(),
      command->add_option("--seed", a.search.seed, "of Selective Search's ranks")
          ->check(CLI::NonNegativeNumber)
          ->capture_default_str(),
      command->add_option("--jobs", a.search.jobs, "processes that search; the file is the same [all cores]")
          ->check(CLI::Range(1, 4096))};
  const std::vector<const CLI::Option*> of_rpn = {
      command->add_option("--weights", a.weights, "weight file that describes itself, with an RPN"),
      command->add_option("--device", a.detector.device, "auto, cpu or cuda")->capture_default_str(),
      add_precision(*command, a.detector.precision)};
  command->callback([arguments, of_search, of_rpn] {
    const bool is_rpn = arguments->method == "rpn";
    for (const auto* option : is_rpn ? of_search : of_rpn) {
      if (option->count() == 0) continue;
      throw ConfigError(fmt::format("propose: {} is of the method {}", option->get_name(),
                                    is_rpn ? "selective_search" : "rpn"));
    }
    part_overrides(*arguments);
    if (is_rpn && arguments->weights.empty()) throw ConfigError("propose: --method rpn wants --weights F");
    propose(*arguments);
  });
}

}  // namespace rcnn::tools
