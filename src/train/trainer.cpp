#include <algorithm>
#include <chrono>
#include <cmath>

#include <c10/util/ScopeExit.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/device.h>
#include <rcnn/log.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/train/ema.h>
#include <rcnn/train/freeze.h>
#include <rcnn/train/peers.h>
#include <rcnn/train/trainer.h>
#include <rcnn/train/training.h>

#include "train/meter.h"

namespace rcnn::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void move_to(std::vector<Target>& targets, const at::Device& device) {
  for (auto& target : targets) {
    target = {target.boxes.to(device), target.labels.to(device), target.ignore.to(device)};
  }
}

std::string image_ids(const std::vector<int64_t>& indices, const data::Dataset& dataset) {
  std::vector<std::string> ids;
  for (const auto index : indices) ids.push_back(dataset.record(index).id);
  return fmt::format("{}", fmt::join(ids, ", "));
}

/// Of all together; 0 when there are none.
double norm_of(const std::vector<at::Tensor>& gradients) {
  double squares = 0;
  for (const auto& gradient : gradients) squares += gradient.square().sum(at::kDouble).item<double>();
  return std::sqrt(squares);
}

int64_t peak_memory(const at::Device& device) {
  if (device.is_cuda()) {
    constexpr size_t kAll = 0;  // of the allocator's kinds of memory
    const auto index = device.has_index() ? device.index() : at::DeviceIndex{0};
    return at::getDeviceAllocator(device.type())->getDeviceStats(index).allocated_bytes[kAll].peak;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{1024} * usage.ru_maxrss;
}

MemoryError out_of_memory(const data::Batch& batch) {
  const auto largest = batch.images.largest_size();
  return MemoryError(fmt::format(
      "memory ran out on a batch of {} images of {} x {}: lower train.batch_size "
      "(train.accumulate makes up for it) or data.max_size, or set train.precision=bf16; where one "
      "small image is too much already, the model is: lower model.roi.batch_per_image or "
      "model.roi.pooler.size",
      batch.images.sizes.size(), largest.width, largest.height));
}

std::shared_ptr<const data::Dataset> checked(const Training& training) {
  const size_t model = training.described.categories.size(), data = training.dataset->categories().size();
  if (model > 0 && model != data) {
    throw ConfigError(
        fmt::format("the model has {} classes and the data set {}: it can be trained on data of its "
                    "own classes only",
                    model, data));
  }
  data::check_labels(*training.dataset);
  if (!check_proposals(training) && !training.data.train.proposals.empty())
    log::warn("data.train.proposals: are not used: the model makes its own");
  return training.dataset;
}

/// What a model may know of it before the first iteration.
nn::TrainingSet training_set_of(const Training& training) {
  std::vector<std::string> classes;
  for (const auto& category : training.dataset->categories()) classes.push_back(category.name);
  return {.size = training.dataset->size(),
          .boxes = [dataset = training.dataset](int64_t index) -> nn::TrainingSet::Boxes {
            const auto sample = data::boxes_of(dataset->record(index));
            return {.proposals = sample.proposals, .target = sample.target};
          },
          .flip = training.data.train_transform().flip,
          .classes = std::move(classes)};
}

/// The model, without what is not to learn.
std::shared_ptr<nn::ModelImpl> model_of(const Training& training) {
  const auto& [model, categories, config] = training.described;
  freeze(*model, training.options, config.root().child("train"));
  return model;
}

data::TransformOptions transform_of(const Training& training) {
  auto transform = training.data.train_transform();
  transform.resize = training.described.model->pixels().resize;
  return transform;
}

data::LoaderOptions loader_of(const Training& training) {
  auto loader = training.data.train_loader();
  loader.batch_size = training.options.batch_size;
  loader.seed = training.options.seed;
  loader.shard = training.peers->rank();
  loader.shards = training.peers->count();
  return loader;
}

Training with_initial_weights(Training training) {
  training.load_initial_weights();
  return training;
}

}  // namespace

Trainer::Trainer(const config::Config& config, std::shared_ptr<const data::Dataset> dataset,
                 const std::string& device)
    : Trainer(with_initial_weights(Training::from(config, parse_device(device), std::move(dataset)))) {}

Trainer::Trainer(const Training& training)
    : model_(model_of(training)),
      config_(training.described.config),
      dataset_(checked(training)),
      options_(training.options),
      device_(training.device),
      peers_(training.peers),
      loader_(dataset_, transform_of(training), loader_of(training)),
      // The solver holds the parameters, which the move may replace; labels are checked by now.
      solver_(
          (model_->begin_training(training_set_of(training), training.loaded), model_->to(device_), *model_),
          options_.solver),
      meter_(std::make_unique<Meter>()),
      iterations_(options_.iterations > 0 ? options_.iterations
                                          : options_.epochs * loader_.batches_per_epoch()) {
  options_.schedule.lr = options_.effective_lr();
  if (options_.ema > 0) ema_ = std::make_unique<Ema>(*model_, options_.ema);
}

Trainer::~Trainer() = default;

nn::DescribedModel Trainer::described() const {
  return {model_, dataset_->categories(), config_};
}

Trainer::Accumulation Trainer::accumulation() const {
  const int64_t index = iteration_ % options_.accumulate;
  return {.index = index, .count = std::min(options_.accumulate, iterations_ - (iteration_ - index))};
}

/// Throws when a loss since the last check is not finite, here or in another process.
void Trainer::check_losses() {
  const auto found = meter_->first_non_finite();
  if (!peers_->any(found.has_value())) return;
  if (!found) throw NonFiniteError("a loss is no longer finite in another process, which says more");
  throw NonFiniteError(
      fmt::format("the loss of iteration {} is no longer finite: {}; images {}; lr {:g}, norm of the last "
                  "gradients {:g}; lower train.lr, lengthen train.warmup_iterations or set train.clip_norm, "
                  "and look at these images",
                  found->iteration, found->losses, image_ids(found->indices, *dataset_), found->lr,
                  norm_of(solver_.gradients())));
}

/// One iteration; returns its learning rate.
double Trainer::step(data::Batch& batch, const Hooks& hooks) {
  try {
    // Dropout and sampling draw from LibTorch's generators: seeding them here makes each iteration
    // repeatable.
    torch::manual_seed(options_.seed * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(iteration_));
    const double lr = learning_rate(options_.schedule, iteration_, iterations_);
    move_to(batch.targets, device_);
    for (auto& boxes : batch.images.proposals) boxes = boxes.to(device_);
    const auto losses = [&] {
      const nn::Autocast autocast(device_.type(), options_.precision);
      return model_->losses(batch.images, batch.targets);
    }();
    meter_->add_losses(iteration_ + 1, lr, batch.indices, losses);
    if (device_.is_cpu()) check_losses();
    at::Tensor sum = losses.front().value;
    for (size_t i = 1; i < losses.size(); ++i) sum = sum + losses[i].value;
    const auto place = accumulation();
    if (place.index == 0) solver_.zero_grad();
    (place.count > 1 ? sum / place.count : sum).backward();
    if (place.last()) {
      if (peers_->count() > 1) peers_->mean(solver_.gradients());
      if (hooks.on_gradients) hooks.on_gradients(solver_.gradients());
      solver_.set_learning_rate(lr);
      solver_.step();
      if (ema_) ema_->update();
    }
    ++iteration_;
    return lr;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw out_of_memory(batch);
  }
}

void Trainer::report(double lr, const Hooks& hooks) {
  const auto per_epoch = loader_.batches_per_epoch();
  Progress progress;
  progress.epoch = epoch_ + 1;
  progress.epochs = std::max(epoch_ + 1, (iterations_ + per_epoch - 1) / per_epoch);
  progress.iteration = iteration_;
  progress.iterations = iterations_;
  progress.lr = lr;
  meter_->report_to(progress);
  progress.memory_bytes = peak_memory(device_);
  progress.eta_seconds = progress.iteration_seconds * static_cast<double>(iterations_ - iteration_);
  if (hooks.on_progress) hooks.on_progress(progress);
}

Checkpoint Trainer::checkpoint() const {
  return {.epoch = epoch_ + 1,
          .iteration = iteration_,
          .epoch_end = batch_ == loader_.batches_per_epoch(),
          .last = iteration_ >= iterations_};
}

bool Trainer::is_due(const Hooks& hooks) const {
  if (!hooks.on_checkpoint || iteration_ == 0) return false;
  const auto here = checkpoint();
  const auto period = options_.checkpoint_period;
  return here.last || (period > 0 ? iteration_ % period == 0 : here.epoch_end) ||
         (hooks.checkpoint_due && hooks.checkpoint_due(here));
}

void Trainer::check_in(const Hooks& hooks) {
  const auto exchange = [this] {
    if (ema_) {
      ema_->swap();
      averaged_ = !averaged_;
    }
  };
  model_->eval();
  exchange();
  const auto back = c10::make_scope_exit([&] {
    exchange();
    model_->train();
  });
  hooks.on_checkpoint(checkpoint());
}

bool Trainer::stops(const Hooks& hooks) const {
  return peers_->any(hooks.stop && hooks.stop(iteration_));
}

/// The rest of the epoch under way; whether the run is to go on.
bool Trainer::run_epoch(const Hooks& hooks) {
  const bool whole = batch_ == 0;
  int64_t done = 0;
  loader_.start(epoch_, batch_);
  data::Batch batch;
  for (auto start = Clock::now(); iteration_ < iterations_ && loader_.next(batch); start = Clock::now()) {
    const double data_seconds = seconds_since(start);
    const double lr = step(batch, hooks);
    batch_ = loader_.position();
    meter_->add_times(seconds_since(start), data_seconds);
    ++done;

    const bool report_due = iteration_ == iterations_ || iteration_ % options_.log_period == 0;
    const bool checkpoint_due = is_due(hooks);
    if (report_due || checkpoint_due) check_losses();
    if (report_due) report(lr, hooks);
    if (checkpoint_due) check_in(hooks);
    if (stops(hooks)) return false;
  }
  if (whole && done == 0) {
    throw DataError(
        fmt::format("no image of the training data can be used: {}", loader_.skipped().front().message));
  }
  if (iteration_ < iterations_ && !checkpoint().epoch_end) {  // the images of its last batches were left out
    batch_ = loader_.position();
    if (is_due(hooks)) {
      check_losses();
      check_in(hooks);
    }
  }
  return true;
}

void Trainer::note_skipped() {
  for (const auto& bad : loader_.skipped()) {
    if (std::ranges::find(skipped_, bad.index, &data::BadImage::index) == skipped_.end())
      skipped_.push_back(bad);
  }
}

void Trainer::fit(const Hooks& hooks) {
  TORCH_CHECK(!hooks.evaluate && !hooks.on_scores,
              "Trainer::fit: evaluate and on_scores are hooks of a Run, which scores");
  model_->train();
  if (is_due(hooks)) {
    check_in(hooks);
    if (iteration_ < iterations_ && stops(hooks)) return;
  }
  // An epoch is shorter than others where all images of a batch are left out: the run then has more of them.
  while (iteration_ < iterations_ && run_epoch(hooks)) {
    if (iteration_ == iterations_) break;
    ++epoch_;
    batch_ = 0;
  }
  note_skipped();
}

TrainingState Trainer::state() {
  note_skipped();
  TrainingState state{.iteration = iteration_,
                      .epoch = epoch_,
                      .batch = batch_,
                      .model = {},
                      .solver = copies(solver_.state()),
                      .ema = {},
                      .gradients = {},
                      .losses = copies(meter_->losses()),
                      .data = {},
                      .skipped = skipped_};
  if (averaged_) ema_->swap();
  state.model = copies(nn::state_of(*model_));
  if (ema_) state.ema = copies(ema_->state());
  if (averaged_) ema_->swap();
  if (iteration_ < iterations_ && accumulation().index != 0) {
    for (const auto& item : model_->named_parameters()) {
      if (item.value().grad().defined()) state.gradients[item.key()] = item.value().grad();
    }
    state.gradients = copies(state.gradients);
  }
  return state;
}

void Trainer::restore(const TrainingState& state) {
  nn::load_state(*model_, state.model, "the state of the training");
  solver_.restore(state.solver);
  if (ema_ && state.ema.empty()) ema_ = std::make_unique<Ema>(*model_, options_.ema);
  if (ema_ && !state.ema.empty()) ema_->restore(state.ema);
  solver_.zero_grad();
  for (const auto& item : model_->named_parameters()) {
    const auto found = state.gradients.find(item.key());
    if (found != state.gradients.end())
      item.value().mutable_grad() = at::empty_like(item.value().detach()).copy_(found->second);
  }
  meter_->restore(state.losses);
  iteration_ = state.iteration;
  epoch_ = state.epoch;
  batch_ = std::min(state.batch, loader_.batches_per_epoch());
  skipped_ = state.skipped;
}

}  // namespace rcnn::train
