#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/data/fingerprint.h>
#include <rcnn/log.h>
#include <rcnn/train/run.h>

#include "train/changes.h"

namespace rcnn::train {
namespace {

constexpr const char* kIteration = "iteration";

/// Which iteration weights are of, see Run; none where they do not say.
std::optional<int64_t> iteration_of(const io::SafeTensors& weights) {
  const auto entry = weights.metadata.find(kIteration);
  if (entry == weights.metadata.end()) return std::nullopt;
  int64_t iteration = -1;
  std::from_chars(entry->second.data(), entry->second.data() + entry->second.size(), iteration);
  return iteration;
}

/// A weight file, or nothing where there is none that is whole.
std::optional<io::SafeTensors> read_if_whole(const std::filesystem::path& file) {
  try {
    return io::read_safetensors(file);
  } catch (const WeightsError&) {
    return std::nullopt;
  }
}

/// What is detected with after a state: the averaged weights, where there are some.
nn::TensorMap weights_of(const TrainingState& state, const nn::ModelImpl& model) {
  const auto names = nn::state_of(model);
  std::map<const void*, at::Tensor> averages;  // by storage: a module may have several names
  for (const auto& [name, tensor] : names) {
    const auto average = state.ema.find(name);
    if (average != state.ema.end()) averages[tensor.data_ptr()] = average->second;
  }
  nn::TensorMap weights;
  for (const auto& [name, tensor] : names) {
    const auto average = averages.find(tensor.data_ptr());
    const auto own = state.model.find(name);
    if (own == state.model.end()) throw WeightsError(fmt::format("the state has no {}", name));
    weights[name] = average == averages.end() ? own->second : average->second;
  }
  return model.published(std::move(weights));
}

/// Puts the means over all processes in their place, so that all decide alike.
void average(Scores& scores, Peers& peers) {
  if (peers.count() == 1) return;
  std::vector<double> values;
  for (const auto& [name, value] : scores) values.push_back(value);
  const auto means = at::tensor(values, at::kDouble);
  peers.mean({means});
  for (size_t i = 0; i < scores.size(); ++i) scores[i].second = means[static_cast<int64_t>(i)].item<double>();
}

}  // namespace

Run::Run(Training training, RunFolder folder, const ScoringOptions& scoring, Resume resume)
    : training_(std::move(training)),
      folder_(std::move(folder)),
      scoring_(scoring),
      fingerprint_(at::tensor(data::fingerprint(*training_.dataset), at::kLong)) {
  const auto [found, damaged] = resume == Resume::no ? RunFolder::Newest() : folder_.newest_state();
  Changes changed;
  if (found) {
    for (const auto& what : damaged) log::warn(fmt::format("{}; passed over", what));
    changed = changes_since(*found, training_, fingerprint_);
    refuse_changes(changed.texts, folder_.path(), resume);
  } else {
    if (resume != Resume::no) {
      begin_in_old_folder(damaged, resume);
      preparations_.emplace_back([this] { folder_.rewind(0); });
    }
    training_.load_initial_weights();
  }
  trainer_ = std::make_unique<Trainer>(training_);
  if (found) go_on(*found, changed.of_scores);
  preparations_.emplace_back([this] { folder_.write_config(training_.described.config); });
}

Run::~Run() = default;

/// There is no whole state to go on from.
void Run::begin_in_old_folder(const std::vector<std::string>& damaged, Resume resume) {
  const auto folder = folder_.path().string();
  if (!folder_.has_results()) {
    return log::info(fmt::format("{}: there is no state yet: begins at the first iteration", folder));
  }
  const auto what = damaged.empty() ? "the states are gone, the weights are there"
                                    : fmt::format("none of the states is whole: {}", some_of(damaged, "; "));
  if (resume != Resume::anyway) {
    const auto message = fmt::format(
        "{}: {}; nothing was changed; --resume-anyway sets aside what is there and begins at the first "
        "iteration",
        folder, what);
    if (damaged.empty()) throw ConfigError(message);
    throw WeightsError(message);
  }
  preparations_.emplace_back([this, folder, what] {
    log::warn(fmt::format("{}: {}; begins at the first iteration; what was there is in {}", folder, what,
                          folder_.set_aside().string()));
  });
}

void Run::go_on(const RunFolder::Found& found, bool other_scores) {
  trainer_->restore(found.saved.state);
  const int64_t iteration = trainer_->iteration();
  log::info(fmt::format("goes on after iteration {}, from {}", iteration, found.file.string()));
  preparations_.emplace_back([this, iteration] { folder_.rewind(iteration); });
  scored_ = read_metrics(folder_.metrics()).scores;
  std::erase_if(scored_, [&](const ScoredIteration& scored) { return scored.iteration > iteration; });
  if (scored_.empty()) return;
  if (other_scores) {
    log::warn(
        fmt::format("scores are made otherwise now: the {} so far count no more, and best.safetensors is "
                    "chosen anew from the next on",
                    scored_.size()));
    scored_.clear();
    preparations_.emplace_back([this] { folder_.set_scores_aside(); });
  } else {
    find_best();
  }
}

/// The best of the scores whose weights are still there; they come into best.safetensors where a kill came
/// before.
void Run::find_best() {
  std::vector<int64_t> order(scored_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto value = [this](int64_t i) { return scoring_.deciding(scored_[static_cast<size_t>(i)].scores); };
  std::ranges::stable_sort(order, std::ranges::greater(), value);
  const auto present = read_if_whole(folder_.best_weights());
  for (const int64_t i : order) {
    const int64_t iteration = scored_[static_cast<size_t>(i)].iteration;
    if (present && iteration_of(*present).value_or(iteration) == iteration) {
      best_ = i;
      break;
    }
    if (auto weights = weights_after(iteration)) {
      best_ = i;
      preparations_.emplace_back(
          [this, weights = std::move(*weights)] { io::write_safetensors(folder_.best_weights(), weights); });
      break;
    }
  }
  if (best_ == order.front()) return;
  const auto& lost = scored_[static_cast<size_t>(order.front())];
  log::warn(
      fmt::format("the best weights, those after iteration {} ({:.4f}), are lost; best.safetensors is {}",
                  lost.iteration, value(order.front()),
                  best() ? fmt::format("that after iteration {} ({:.4f}) until a better one comes",
                                       best()->iteration, value(best_))
                         : "chosen anew from the next scores on"));
}

/// From another file than best.safetensors.
std::optional<io::SafeTensors> Run::weights_after(int64_t iteration) const {
  if (auto last = read_if_whole(folder_.weights()); last && iteration_of(*last) == iteration) return last;
  try {
    auto [state, metadata] = load_state(folder_.state(iteration));
    metadata[kIteration] = fmt::format("{}", iteration);
    return io::SafeTensors{.tensors = weights_of(state, *training_.described.model), .metadata = metadata};
  } catch (const WeightsError&) {
    return std::nullopt;
  }
}

/// Whether it is this process that writes files.
bool Run::writes() const {
  return training_.peers->rank() == 0;
}

bool Run::is_due(const Checkpoint& checkpoint) const {
  if (!scored_.empty() && scored_.back().iteration == checkpoint.iteration) return false;
  const int64_t period = scoring_.period;
  return checkpoint.last || (period > 0 && checkpoint.epoch_end && checkpoint.epoch % period == 0);
}

/// Whether patience is at its end.
bool Run::is_exhausted() const {
  if (scoring_.patience == 0 || scored_.empty()) return false;
  const auto best = std::ranges::max_element(
      scored_, {}, [this](const auto& entry) { return scoring_.deciding(entry.scores); });
  return std::distance(best, scored_.end()) > scoring_.patience;
}

void Run::wait_for_writer() {
  if (writer_.valid()) writer_.get();
}

/// Begins `task` when the one before is over.
void Run::write(std::function<void()> task) {
  wait_for_writer();
  if (writes()) writer_ = std::async(std::launch::async, std::move(task));
}

void Run::save(bool with_weights) {
  auto state = trainer_->state();
  state.data[kFingerprint] = fingerprint_;
  saved_iteration_ = state.iteration;
  const auto description = nn::description_of(training_.described);
  if (with_weights) {
    auto metadata = description;
    metadata[kIteration] = fmt::format("{}", state.iteration);
    weights_ = std::make_shared<io::SafeTensors>(
        io::SafeTensors{.tensors = weights_of(state, *training_.described.model), .metadata = metadata});
  }
  write([this, with_weights, description, state = std::move(state), weights = weights_] {
    save_state(folder_.state(state.iteration), state, description);
    if (with_weights) io::write_safetensors(folder_.weights(), *weights);
    folder_.remove_old_states(training_.options.keep_checkpoints);
  });
}

void Run::check_in(const Checkpoint& checkpoint, const Hooks& hooks) {
  save(/*with_weights=*/true);
  if (hooks.evaluate && is_due(checkpoint)) score(checkpoint, hooks);
  if (hooks.on_checkpoint) hooks.on_checkpoint(checkpoint);
}

void Run::score(const Checkpoint& checkpoint, const Hooks& hooks) {
  auto scores = hooks.evaluate(training_.described);
  if (training_.peers->any(!scores)) return;
  average(*scores, *training_.peers);
  const bool better = !best() || scoring_.deciding(*scores) > scoring_.deciding(best()->scores);
  wait_for_writer();  // who goes on from these scores needs their state
  scored_.push_back(
      {.epoch = checkpoint.epoch, .iteration = checkpoint.iteration, .scores = std::move(*scores)});
  if (writes()) folder_.append(scored_.back());
  if (better) {
    best_ = std::ssize(scored_) - 1;
    write([this, weights = weights_] { io::write_safetensors(folder_.best_weights(), *weights); });
  }
  if (hooks.on_scores) hooks.on_scores(scored_.back());
}

Run::Outcome Run::fit(const Hooks& hooks) {
  for (const auto& prepare : std::exchange(preparations_, {})) {
    if (writes()) prepare();
  }
  const Hooks own{
      .on_progress =
          [&](const Progress& progress) {
            if (writes()) folder_.append(progress);
            if (hooks.on_progress) hooks.on_progress(progress);
          },
      .on_checkpoint = [&](const Checkpoint& checkpoint) { check_in(checkpoint, hooks); },
      .checkpoint_due =
          [&](const Checkpoint& checkpoint) {
            return (hooks.evaluate && is_due(checkpoint)) ||
                   (hooks.checkpoint_due && hooks.checkpoint_due(checkpoint));
          },
      .on_gradients = hooks.on_gradients,
      .stop =
          [&](int64_t iteration) {
            if (writer_.valid() && writer_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
              wait_for_writer();
            }
            const bool stop = hooks.stop && hooks.stop(iteration);
            return is_exhausted() || stop;
          }};
  try {
    const bool over = trainer_->iteration() >= trainer_->iterations();
    // Where it was stopped between a state and its scores, the trainer begins with these.
    if (!is_exhausted() && (over || !training_.peers->any(own.stop(trainer_->iteration()))))
      trainer_->fit(own);
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
    const auto found = folder_.newest_state().found;
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
