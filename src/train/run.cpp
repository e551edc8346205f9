#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/data/fingerprint.h>
#include <rcnn/log.h>
#include <rcnn/train/run.h>

namespace rcnn::train {
namespace {

constexpr const char* kFingerprint = "fingerprint";

/// The first few, and how many more there are.
std::string some_of(std::vector<std::string> texts, std::string_view separator) {
  constexpr size_t kShown = 8;
  const size_t all = texts.size();
  if (all > kShown) {
    texts.resize(kShown);
    texts.push_back(fmt::format("and {} more", all - kShown));
  }
  return fmt::format("{}", fmt::join(texts, separator));
}

/// What the run was started with and has no longer.
std::vector<std::string> changes(const RunFolder::Found& found, const Training& training,
                                 const at::Tensor& now) {
  const auto& [file, saved] = found;
  const auto stored = [&, &saved = saved](const char* key) {
    const auto entry = saved.metadata.find(key);
    return entry == saved.metadata.end() ? "" : entry->second;
  };
  std::vector<std::string> changes;
  const auto before = config::Config::parse(stored("config"), found.file.string());
  for (const auto& [key, was, is] : config::differences(before, training.described.config)) {
    if (key == "data.workers") continue;  // any number gives the same batches
    changes.push_back(
        fmt::format("{} was {}, is {}", key, was.empty() ? "absent" : was, is.empty() ? "absent" : is));
  }
  if (stored("categories") != nn::description_of(training.described).at("categories")) {
    changes.push_back("the classes are others, or in another order");
  }
  const auto images = saved.state.data.find(kFingerprint);
  if (images == saved.state.data.end() || images->second.sizes() != now.sizes()) {
    const int64_t was = images == saved.state.data.end() ? 0 : images->second.numel();
    changes.push_back(fmt::format("the training images were {}, are {}", was, now.numel()));
  } else if (!at::equal(images->second, now)) {
    std::vector<std::string> ids;
    const auto changed = (images->second != now).nonzero().flatten();
    for (int64_t i = 0; i < changed.numel(); ++i) {
      ids.push_back(training.dataset->record(changed[i].item<int64_t>()).id);
    }
    changes.push_back(fmt::format("other training images or boxes: {}", some_of(std::move(ids), ", ")));
  }
  return changes;
}

void refuse_changes(const RunFolder::Found& found, const Training& training, const at::Tensor& fingerprint,
                    Run::Resume resume) {
  auto changed = changes(found, training, fingerprint);
  if (changed.empty()) return;
  const auto what = some_of(std::move(changed), "; ");
  if (resume == Run::Resume::anyway)
    return log::warn(fmt::format("goes on although something has changed: {}", what));
  throw ConfigError(
      fmt::format("{}: not what the run was started with: {}; change it back, or go on all the same by "
                  "--resume-anyway",
                  found.file.parent_path().string(), what));
}

}  // namespace

ScoringOptions ScoringOptions::from(const config::Node& eval) {
  ScoringOptions options;
  eval.read("period", options.period, {.min = 0});
  eval.read("best", options.best);
  eval.read("patience", options.patience, {.min = 0});
  if (options.patience > 0 && options.period == 0) throw eval.error("patience", "needs a period above 0");
  return options;
}

double ScoringOptions::deciding(const Scores& scores) const {
  const auto found =
      best.empty() ? scores.begin() : std::ranges::find(scores, best, &Scores::value_type::first);
  if (found == scores.end()) {
    std::vector<std::string> names;
    for (const auto& [name, value] : scores) names.push_back(name);
    throw ConfigError(
        fmt::format("eval.best: the scores have no {}; they have {}", best, some_of(names, ", ")));
  }
  return std::isnan(found->second) ? -std::numeric_limits<double>::infinity() : found->second;
}

Run::Run(Training training, RunFolder folder, const ScoringOptions& scoring, Resume resume)
    : training_(std::move(training)),
      folder_(std::move(folder)),
      scoring_(scoring),
      fingerprint_(at::tensor(data::fingerprint(*training_.dataset), at::kLong)) {
  const auto found = resume == Resume::no ? std::nullopt : folder_.newest_state();
  if (found) {
    refuse_changes(*found, training_, fingerprint_, resume);
  } else {
    training_.load_initial_weights();
  }
  trainer_ = std::make_unique<Trainer>(training_);
  if (found) {
    trainer_->restore(found->saved.state);
    log::info(
        fmt::format("goes on after iteration {}, from {}", trainer_->iteration(), found->file.string()));
  }
  if (resume != Resume::no) scored_ = folder_.rewind(trainer_->iteration());
  folder_.write_config(training_.described.config);
}

Run::~Run() = default;

const ScoredIteration* Run::best() const {
  const auto best = std::ranges::max_element(
      scored_, {}, [this](const auto& entry) { return scoring_.deciding(entry.scores); });
  return best == scored_.end() ? nullptr : &*best;
}

bool Run::is_due(const Checkpoint& checkpoint) const {
  const auto last = scored_.empty() ? ScoredIteration() : scored_.back();
  if (last.iteration == checkpoint.iteration) return false;
  return checkpoint.last || (scoring_.period > 0 && checkpoint.epoch - last.epoch >= scoring_.period);
}

/// Whether patience is at its end.
bool Run::is_exhausted() const {
  if (scoring_.patience == 0 || scored_.empty()) return false;
  return &scored_.back() - best() >= scoring_.patience;
}

void Run::wait_for_writer() {
  if (writer_.valid()) writer_.get();
}

/// Begins `task` when the one before is over.
void Run::write(std::function<void()> task) {
  wait_for_writer();
  writer_ = std::async(std::launch::async, std::move(task));
}

void Run::save(bool with_weights) {
  auto state = trainer_->state();
  state.data[kFingerprint] = fingerprint_;
  saved_iteration_ = state.iteration;
  const auto description = nn::description_of(training_.described);
  if (with_weights) {
    const auto tensors = state.ema.empty() ? state.model : copies(nn::state_of(*training_.described.model));
    weights_ =
        std::make_shared<io::SafeTensors>(io::SafeTensors{.tensors = tensors, .metadata = description});
  }
  write([this, with_weights, description, state = std::move(state), weights = weights_] {
    save_state(folder_.state(state.iteration), state, description);
    if (with_weights) io::write_safetensors(folder_.weights(), *weights);
    folder_.remove_old_states(training_.options.keep_checkpoints);
  });
}

void Run::check_in(const Checkpoint& checkpoint, const RunHooks& hooks) {
  save(/*with_weights=*/true);
  if (!hooks.evaluate || !is_due(checkpoint)) return;
  auto scores = hooks.evaluate(training_.described);
  if (!scores) return;
  const bool better = !best() || scoring_.deciding(*scores) > scoring_.deciding(best()->scores);
  if (better) write([this, weights = weights_] { io::write_safetensors(folder_.best_weights(), *weights); });
  scored_.push_back(
      {.epoch = checkpoint.epoch, .iteration = checkpoint.iteration, .scores = std::move(*scores)});
  folder_.append(scored_.back());
  if (hooks.on_scores) hooks.on_scores(scored_.back());
}

Run::Outcome Run::fit(const RunHooks& hooks) {
  const auto interrupted = [&] { return hooks.interrupted && hooks.interrupted(); };
  const TrainHooks train_hooks{
      .on_progress =
          [&](const Progress& progress) {
            folder_.append(progress);
            if (hooks.on_progress) hooks.on_progress(progress);
          },
      .on_checkpoint = [&](const Checkpoint& checkpoint) { check_in(checkpoint, hooks); },
      .stop =
          [&](int64_t iteration) {
            if (hooks.on_iteration) hooks.on_iteration(iteration);
            if (writer_.valid() && writer_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
              wait_for_writer();
            }
            return is_exhausted() || interrupted();
          }};
  try {
    // The run may have been stopped between a state and its scores.
    if (trainer_->at_checkpoint()) trainer_->check_in(train_hooks);
    if (!is_exhausted() && !interrupted()) trainer_->fit(train_hooks);
    const bool scored =
        !hooks.evaluate || (!scored_.empty() && scored_.back().iteration == trainer_->iteration());
    const bool finished = trainer_->iteration() >= trainer_->iterations() && scored;
    if (!finished && !is_exhausted() && saved_iteration_ != trainer_->iteration())
      save(/*with_weights=*/false);
    wait_for_writer();
    if (finished) return Outcome::finished;
    return is_exhausted() ? Outcome::no_longer_better : Outcome::interrupted;
  } catch (const NonFiniteError& error) {
    warn_of_writer();
    const auto found = folder_.newest_state();
    throw NonFiniteError(fmt::format("{}; the last good state is {}", error.what(),
                                     found ? found->file.string() : "that before the first iteration"));
  } catch (...) {
    warn_of_writer();
    throw;
  }
}

/// While another error is under way.
void Run::warn_of_writer() {
  try {
    wait_for_writer();
  } catch (const Error& error) {
    log::warn(error.what());
  }
}

}  // namespace rcnn::train
