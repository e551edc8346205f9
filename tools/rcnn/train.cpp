#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/device.h>
#include <rcnn/log.h>
#include <rcnn/train/run.h>

#include "commands.h"
#include "evaluate.h"
#include "progress.h"
#include "stop_signals.h"

namespace rcnn::tools {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_line(const train::Progress& progress) {
  auto line = fmt::format("epoch {}/{}  iter {}/{}  eta {}  lr {:.2e}  loss {:.4f}", progress.epoch,
                          progress.epochs, progress.iteration, progress.iterations,
                          duration(progress.eta_seconds), progress.lr, progress.loss);
  for (const auto& [name, value] : progress.losses) line += fmt::format("  {} {:.4f}", name, value);
  return line + fmt::format("  time {:.3f}  data {:.3f}  mem {} MB", progress.iteration_seconds,
                            progress.data_seconds, progress.memory_bytes >> 20);
}

std::string skipped_line(const std::vector<data::BadImage>& skipped) {
  constexpr size_t kNamed = 5;
  std::vector<std::string> named;
  for (size_t i = 0; i < std::min(kNamed, skipped.size()); ++i) named.push_back(skipped[i].message);
  return fmt::format("left out {} images that cannot be used: {}{}", skipped.size(), fmt::join(named, "; "),
                     skipped.size() > kNamed ? fmt::format("; and {} more", skipped.size() - kNamed) : "");
}

void say_what_is_trained(const train::Training& training) {
  log::info(fmt::format("training data, {} images:\n{}", training.dataset->size(),
                        data::to_table(data::class_counts(*training.dataset))));
  const auto& options = training.options;
  if (options.base_batch > 0) {
    log::info(fmt::format("lr {:g}: {:g} for {} images a step, of which there are {} here",
                          options.effective_lr(), options.schedule.lr, options.base_batch,
                          options.images_per_step()));
  }
}

/// What is left to say when training is over.
void summarize(const train::Run& run, const train::ScoringOptions& scoring, train::Run::Outcome outcome,
               int64_t iterations, double seconds) {
  const auto& folder = run.folder();
  if (!run.trainer().skipped().empty()) log::warn(skipped_line(run.trainer().skipped()));
  if (iterations > 0) {
    const auto images = static_cast<double>(iterations * run.training().options.batch_size);
    log::info(fmt::format("{} iterations in {}, {:.2f} images a second, scoring included", iterations,
                          duration(seconds), images / seconds));
  }
  if (outcome == train::Run::Outcome::no_longer_better) {
    log::info(fmt::format("ended after iteration {} of {}: the last {} scores were no better (eval.patience)",
                          run.trainer().iteration(), run.trainer().iterations(), scoring.patience));
  }
  if (const auto* best = run.best()) {
    const auto name = scoring.best.empty() ? best->scores.front().first : scoring.best;
    log::info(fmt::format("best {} {:.4f} after epoch {}, iteration {}: {}", name,
                          scoring.deciding(best->scores), best->epoch, best->iteration,
                          folder.best_weights().string()));
  }
  log::info(fmt::format("metrics: {}\nlog: {}\nweights: {}", folder.metrics().string(), folder.log().string(),
                        folder.weights().string()));
}

}  // namespace

std::filesystem::path train(const TrainArguments& arguments) {
  const StopSignals signals;
  auto training = train::Training::from(arguments.config, parse_device(arguments.device));
  const auto eval_options = EvalOptions::from(arguments.config.root().child("eval"), training.data.type);
  const auto test = open_test_set(training.data, training.dataset->categories());
  check_best(eval_options, test);

  using Resume = train::Run::Resume;
  const bool reopen = arguments.resume != Resume::no && train::RunFolder::is_one(arguments.output);
  if (!reopen) training.load_initial_weights();  // nothing is made when they do not fit
  auto opened =
      reopen ? train::RunFolder::reopen(arguments.output) : train::RunFolder::create(arguments.output);
  log::also_to(opened.log());
  train::Run run(std::move(training), std::move(opened), eval_options.scoring, arguments.resume);
  say_what_is_trained(run.training());

  const auto start = std::chrono::steady_clock::now();
  const int64_t before = run.trainer().iteration();
  const ProgressLine line("training");
  bool warned = false;  // of the test data, which stay the same
  std::string eta;
  signals.defer();
  const auto outcome = run.fit(
      {.on_progress =
           [&](const train::Progress& progress) {
             line.clear();
             log::info(progress_line(progress));
             eta = fmt::format("  eta {}  loss {:.4f}", duration(progress.eta_seconds), progress.loss);
           },
       .evaluate = [&](const nn::DescribedModel& model) -> std::optional<train::Scores> {
         line.clear();
         const auto result = evaluate(TensorDetector(model, run.training().device), test, eval_options,
                                      {.per_class = true}, [&] { return signals.requested(); });
         if (!result) return std::nullopt;
         if (!std::exchange(warned, true)) {
           for (const auto& warning : result->score.warnings) log::warn(warning);
         }
         log::info(result->score.table);
         return numbers_of(result->score);
       },
       .stop =
           [&](int64_t iteration) {
             line.show(iteration, run.trainer().iterations(), eta);
             return signals.requested();
           }});
  line.clear();
  if (outcome == train::Run::Outcome::interrupted) {
    log::info(fmt::format(
        "interrupted: the state after iteration {} is in {}; go on by: rcnn train --output {} --resume",
        run.trainer().iteration(), run.folder().state(run.trainer().iteration()).string(),
        run.folder().path().string()));
    throw CLI::RuntimeError(signals.exit_code());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  summarize(run, eval_options.scoring, outcome, run.trainer().iteration() - before, seconds.count());
  return run.folder().weights();
}

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "train a detector as a config says");
  struct Arguments {
    std::vector<std::string> words;  // a config file, key=value ...
    std::filesystem::path output;
    std::string device = "auto";
    bool resume = false, resume_anyway = false, dry_run = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option(
      "config", arguments->words,
      "config file (default with --resume: the run's own), key=value ... instead of what it says");
  command->add_option("--output", arguments->output,
                      "folder for weights, states, metrics and log; new or empty");
  command->add_flag("--resume", arguments->resume,
                    "go on with the run in --output from its newest whole state; start where there is none");
  command->add_flag("--resume-anyway", arguments->resume_anyway,
                    "go on even though the config or the data have changed since, or the states are damaged");
  command->add_flag(
      "--dry-run", arguments->dry_run,
      "only try it: read config, data and weights, train a few iterations, say what the run would take");
  command->add_option("--device", arguments->device, "auto, cpu or cuda")->capture_default_str();
  command->callback([arguments] {
    const bool resume = arguments->resume || arguments->resume_anyway;
    auto overrides = arguments->words;
    std::filesystem::path file;
    if (!overrides.empty() && overrides.front().find('=') == std::string::npos) {
      file = overrides.front();
      overrides.erase(overrides.begin());
    } else if (resume && train::RunFolder::is_one(arguments->output)) {
      file = arguments->output / "config.json";
    } else {
      throw CLI::RequiredError("config");
    }
    if (arguments->output.empty() && !arguments->dry_run) throw CLI::RequiredError("--output");
    const TrainArguments run{.config = config::Config::load(file, overrides),
                             .output = arguments->output,
                             .device = arguments->device,
                             .resume = arguments->resume_anyway ? train::Run::Resume::anyway
                                       : resume                 ? train::Run::Resume::yes
                                                                : train::Run::Resume::no};
    if (arguments->dry_run) return dry_run(run);
    train(run);
  });
}

}  // namespace rcnn::tools
