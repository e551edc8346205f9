#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/device.h>
#include <rcnn/log.h>
#include <rcnn/train/stages.h>

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
void say_outcome(const train::Run& run, const train::ScoringOptions& scoring, train::Run::Outcome outcome,
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

/// What a training of this program says and asks while it lasts.
train::Watch watch(const train::Training& training, const std::filesystem::path& output,
                   StopSignals& signals) {
  struct State {
    Scoring scoring;
    ProgressLine line{"training", std::nullopt};
    std::chrono::steady_clock::time_point start = {};
    int64_t before = 0, iterations = 0;
    bool warned = false;  // of the test data, which stay the same
    std::string eta = {};
  };
  const auto state = std::make_shared<State>(scoring_of(training));
  return {.scoring = state->scoring.options.scoring,
          .on_begin =
              [state, &signals](const train::Run& run) {
                say_what_is_trained(run.training());
                state->start = std::chrono::steady_clock::now();
                state->before = run.trainer().iteration();
                state->iterations = run.trainer().iterations();
                signals.defer();
              },
          .hooks = {.on_progress =
                        [state](const train::Progress& progress) {
                          state->line.clear();
                          log::info(progress_line(progress));
                          state->eta = fmt::format("  eta {}  loss {:.4f}", duration(progress.eta_seconds),
                                                   progress.loss);
                        },
                    .evaluate = [state, &signals, device = training.device](
                                    const nn::DescribedModel& model) -> std::optional<train::Scores> {
                      state->line.clear();
                      const auto result =
                          evaluate(TensorDetector(model, device), state->scoring.test, state->scoring.options,
                                   {.per_class = true}, [&] { return signals.requested(); });
                      if (!result) return std::nullopt;
                      if (!std::exchange(state->warned, true)) {
                        for (const auto& warning : result->score.warnings) log::warn(warning);
                      }
                      log::info(result->score.table);
                      return result->score.flat();
                    },
                    .stop =
                        [state, &signals](int64_t iteration) {
                          state->line.show(iteration, state->iterations, state->eta);
                          return signals.requested();
                        }},
          .on_end =
              [state, output](const train::Run& run, train::Run::Outcome outcome) {
                state->line.clear();
                const int64_t iteration = run.trainer().iteration();
                if (outcome == train::Run::Outcome::interrupted) {
                  return log::info(
                      fmt::format("interrupted: the state after iteration {} is in {}; go on by: rcnn train "
                                  "--output {} --resume",
                                  iteration, run.folder().state(iteration).string(), output.string()));
                }
                const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - state->start;
                say_outcome(run, state->scoring.options.scoring, outcome, iteration - state->before,
                            seconds.count());
              }};
}

}  // namespace

std::filesystem::path train(const TrainArguments& arguments) {
  StopSignals signals;
  const ProgressLine proposing("proposing");
  const train::StageContext context{
      .device = parse_device(arguments.device),
      .resume = arguments.resume,
      .watch = [&](const train::Training& training) { return watch(training, arguments.output, signals); },
      .stop = [&] { return signals.requested(); },
      .on_proposed =
          [&](int64_t done, int64_t total) {
            proposing.show(done, total);
            if (done == total || signals.requested()) proposing.clear();
          }};
  const auto weights = [&](const std::filesystem::path& folder, bool done) {
    if (!done) throw CLI::RuntimeError(signals.exit_code());
    return folder / "last.safetensors";
  };
  if (train::Chain::is_one(arguments.config)) {
    train::Chain chain(arguments.config, arguments.output);
    return weights(chain.stages().back().folder, chain.run(context));
  }
  const train::Stage whole{.name = {}, .kind = {}, .config = arguments.config, .folder = arguments.output};
  return weights(whole.folder, train::prepare_training(whole, context)());
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
      "config file (default with --resume: the run's own), key=value ... instead of what it says; one with "
      "\"stages\" is a chain, each stage in a folder N-name below --output");
  command->add_option("--output", arguments->output,
                      "folder for weights, states, metrics and log; new or empty");
  command->add_flag("--resume", arguments->resume,
                    "go on with the run in --output from its newest whole state; start where there is none");
  command->add_flag("--resume-anyway", arguments->resume_anyway,
                    "go on even though the config or the data have changed since, or the states are damaged");
  command->add_flag(
      "--dry-run", arguments->dry_run,
      "only try it: read config, data and weights, train a few iterations, say what the run would take; of a "
      "chain, each stage that can be tried already");
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
