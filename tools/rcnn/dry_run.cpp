#include <algorithm>
#include <filesystem>
#include <iostream>

#include <spdlog/fmt/fmt.h>

#include <rcnn/device.h>
#include <rcnn/train/stages.h>

#include "commands.h"
#include "evaluate.h"

namespace rcnn::tools {
namespace {

struct Parameters {
  int64_t all = 0, learning = 0;
};

Parameters count(const torch::nn::Module& model) {
  Parameters parameters;
  for (const auto& parameter : model.parameters()) {
    parameters.all += parameter.numel();
    if (parameter.requires_grad()) parameters.learning += parameter.numel();
  }
  return parameters;
}

/// What there is to say of a chain's stages, one after the other.
void try_stages(const TrainArguments& arguments) {
  const bool anywhere = arguments.output.empty();
  const train::Chain chain(arguments.config, anywhere ? "OUTPUT" : arguments.output);
  const train::StageContext context{.device = parse_device(arguments.device),
                                    .resume = arguments.resume,
                                    .watch = [](const train::Training& training) {
                                      scoring_of(training);
                                      return train::Watch();
                                    }};
  if (!anywhere) chain.check_folder(arguments.resume);
  const auto done = anywhere ? std::vector<bool>(chain.stages().size()) : chain.done(arguments.resume);
  for (size_t i = 0; i < done.size(); ++i) {
    const auto& stage = chain.stages()[i];
    std::cout << fmt::format("stage {}\n", stage.folder.filename().string());
    if (done[i]) {
      std::cout << "done before\n";
      continue;
    }
    const auto* missing = stage.missing();
    if (!missing && stage.kind == "train") {
      dry_run({.config = stage.config,
               .output = anywhere ? arguments.output : stage.folder,
               .device = arguments.device,
               .resume = arguments.resume});
      continue;
    }
    train::stage_kinds().find(stage.kind)->prepare(stage, context);
    std::cout << "read, and tried no further: "
              << (missing ? fmt::format("it needs {}\n", missing->file.string())
                          : fmt::format("it is no training, but of the kind {}\n", stage.kind));
  }
}

std::string hours(double seconds) {
  return seconds < 3600 ? fmt::format("{:.0f} minutes", seconds / 60)
                        : fmt::format("{:.1f} hours", seconds / 3600);
}

}  // namespace

void dry_run(const TrainArguments& arguments) {
  if (train::Chain::is_one(arguments.config)) return try_stages(arguments);
  train::Chain::refuse(arguments.output);
  constexpr int64_t kIterations = 3;  // the first makes what the others use again
  auto training = train::Training::from(arguments.config, parse_device(arguments.device));
  const auto [eval_options, test] = scoring_of(training);
  if (arguments.resume != train::Run::Resume::no && train::RunFolder::is_one(arguments.output)) {
    // Writes nothing: it is never told to train.
    train::Run(training, train::RunFolder::reopen(arguments.output), eval_options.scoring, arguments.resume);
    training.has_initial_weights = true;  // those of the state, if there is one
  } else if (!arguments.output.empty()) {
    train::RunFolder::check_new(arguments.output);
  }
  training.load_initial_weights();
  training.options.log_period = 1;
  train::Trainer trainer(training);
  train::Progress last;
  trainer.fit({.on_progress = [&](const train::Progress& progress) { last = progress; },
               .stop = [](int64_t iteration) { return iteration == kIterations; }});

  const auto [all, learning] = count(*training.described.model);
  const auto& options = training.options;
  std::cout << fmt::format(
      "training data  {} images, {} classes\n"
      "test data      {} images\n"
      "parameters     {}, of which {} learn\n"
      "a batch        {} images, {} a step of the solver, lr {:g}\n"
      "an iteration   {:.2f} s, of which {:.2f} s are waiting for images; loss {:.3f}\n"
      "memory         {} MB at most so far\n"
      "the whole run  {} iterations, {} epochs, about {} without scoring\n",
      training.dataset->size(), training.dataset->categories().size(), test.dataset->size(), all, learning,
      options.batch_size, options.images_per_step(), options.effective_lr(), last.iteration_seconds,
      last.data_seconds, last.loss, last.memory_bytes >> 20, trainer.iterations(), last.epochs,
      hours(last.iteration_seconds * static_cast<double>(trainer.iterations())));
}

}  // namespace rcnn::tools
