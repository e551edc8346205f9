#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <rcnn/data/loader.h>
#include <rcnn/train/ema.h>
#include <rcnn/train/trainer.h>

namespace rcnn::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{1024} * usage.ru_maxrss;
}

void move_to(std::vector<Target>& targets, const at::Device& device) {
  for (auto& target : targets) {
    target = {target.boxes.to(device), target.labels.to(device), target.ignore.to(device)};
  }
}

/// Collects what happens between two reports.
class Meter {
 public:
  void add(const std::vector<nn::Loss>& losses, double iteration_seconds, double data_seconds) {
    if (names_.empty()) {
      for (const auto& loss : losses) names_.push_back(loss.name);
    }
    std::vector<at::Tensor> values;
    for (const auto& loss : losses) values.push_back(loss.value.detach());
    losses_.push_back(at::stack(values));
    iteration_seconds_.push_back(iteration_seconds);
    data_seconds_.push_back(data_seconds);
  }

  /// Fills in losses, times and memory, and starts anew.
  void report_to(Progress& progress) {
    const auto means = at::stack(losses_).mean(0).to(at::kCPU, at::kDouble);
    for (size_t i = 0; i < names_.size(); ++i) {
      progress.losses.emplace_back(names_[i], means[static_cast<int64_t>(i)].item<double>());
    }
    progress.loss = means.sum().item<double>();
    progress.iteration_seconds = median(iteration_seconds_);
    progress.data_seconds = median(data_seconds_);
    progress.memory_bytes = peak_resident_bytes();
    *this = {};
  }

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> losses_;  // [number of losses] each, on the device
  std::vector<double> iteration_seconds_, data_seconds_;
};

std::string image_ids(const data::Batch& batch, const data::Dataset& dataset) {
  std::vector<std::string> ids;
  for (const auto index : batch.indices) ids.push_back(dataset.record(index).id);
  return fmt::format("{}", fmt::join(ids, ", "));
}

NonFiniteError non_finite(const std::vector<nn::Loss>& losses, const data::Batch& batch,
                          const data::Dataset& dataset) {
  std::string parts;
  for (const auto& loss : losses) parts += fmt::format(" {} {:g},", loss.name, loss.value.item<double>());
  return NonFiniteError(
      fmt::format("the loss is no longer finite:{} images {}; lower train.lr or lengthen "
                  "train.warmup_iterations, and look at these images",
                  parts, image_ids(batch, dataset)));
}

MemoryError out_of_memory(const data::Batch& batch) {
  const auto largest = batch.images.largest_size();
  return MemoryError(fmt::format(
      "memory ran out on a batch of {} images of {} x {}: lower train.batch_size or data.max_size",
      batch.images.sizes.size(), largest.width, largest.height));
}

}  // namespace

TrainOptions TrainOptions::from(const config::Node& node) {
  TrainOptions options;
  int64_t seed = 0;
  node.read("epochs", options.epochs, {.min = 1});
  node.read("iterations", options.iterations, {.min = 0});
  node.read("batch_size", options.batch_size, {.min = 1});
  options.schedule.read(node);
  options.solver.read(node);
  node.read("accumulate", options.accumulate, {.min = 1});
  node.read("base_batch", options.base_batch, {.min = 0});
  node.read("ema", options.ema, {.min = 0});
  if (options.ema >= 1) throw node.error("ema", "must be below 1");
  node.read("seed", seed, {.min = 0});
  node.read("log_period", options.log_period, {.min = 1});
  node.read("checkpoint_period", options.checkpoint_period, {.min = 0});
  node.finish();
  options.seed = static_cast<uint64_t>(seed);
  return options;
}

double TrainOptions::effective_lr() const {
  if (base_batch == 0) return schedule.lr;
  return schedule.lr * static_cast<double>(images_per_step()) / static_cast<double>(base_batch);
}

Trainer::Trainer(std::shared_ptr<nn::DetectionModelImpl> model, std::shared_ptr<const data::Dataset> dataset,
                 const data::TransformOptions& transform, const data::LoaderOptions& loader,
                 const TrainOptions& options, const at::Device& device)
    : model_(std::move(model)),
      dataset_(std::move(dataset)),
      transform_(transform),
      loader_(loader),
      options_(options),
      device_(device) {
  loader_.batch_size = options_.batch_size;
  loader_.seed = options_.seed;
  model_->to(device_);
}

std::vector<nn::Loss> Trainer::step(data::Batch& batch, Solver& solver, const Accumulation& accumulation) {
  try {
    move_to(batch.targets, device_);
    auto losses = model_->losses(batch.images, batch.targets);
    at::Tensor sum = losses.front().value;
    for (size_t i = 1; i < losses.size(); ++i) sum = sum + losses[i].value;
    if (!std::isfinite(sum.item<double>())) throw non_finite(losses, batch, *dataset_);
    if (accumulation.index == 0) solver.zero_grad();
    (accumulation.count > 1 ? sum / accumulation.count : sum).backward();
    if (accumulation.last()) solver.step();
    return losses;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw out_of_memory(batch);
  }
}

void Trainer::fit(const TrainHooks& hooks) {
  data::Loader loader(dataset_, transform_, loader_);
  const auto per_epoch = loader.batches_per_epoch();
  const auto total = options_.iterations > 0 ? options_.iterations : options_.epochs * per_epoch;
  const auto epochs = (total + per_epoch - 1) / per_epoch;
  const auto checkpoint_period = options_.checkpoint_period > 0 ? options_.checkpoint_period : per_epoch;
  auto schedule = options_.schedule;
  schedule.lr = options_.effective_lr();
  Solver solver(*model_, options_.solver);
  std::optional<Ema> ema;
  if (options_.ema > 0) ema.emplace(*model_, options_.ema);
  model_->train();

  Meter meter;
  int64_t iteration = 0;
  const auto report = [&](int64_t epoch, double rate) {
    Progress progress;
    progress.epoch = epoch;
    progress.epochs = std::max(epoch, epochs);
    progress.iteration = iteration;
    progress.iterations = total;
    progress.lr = rate;
    meter.report_to(progress);
    progress.eta_seconds = progress.iteration_seconds * static_cast<double>(total - iteration);
    hooks.on_progress(progress);
  };
  const auto checkpoint = [&](int64_t epoch) {
    model_->eval();
    if (ema) ema->swap();
    hooks.on_checkpoint({.epoch = epoch, .iteration = iteration, .last = iteration == total});
    if (ema) ema->swap();
    model_->train();
  };
  // An epoch is shorter than others where all images of a batch are left out: the run then has more of them.
  for (int64_t epoch = 1; iteration < total; ++epoch) {
    loader.start(epoch - 1);
    data::Batch batch;
    const int64_t before = iteration;
    for (auto start = Clock::now(); iteration < total && loader.next(batch); start = Clock::now()) {
      const double data_seconds = seconds_since(start);
      // Dropout and sampling draw from LibTorch's generators: seeding them here makes each iteration
      // repeatable.
      torch::manual_seed(options_.seed * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(iteration));
      const double rate = learning_rate(schedule, iteration, total);
      solver.set_learning_rate(rate);
      const int64_t index = iteration % options_.accumulate;
      const Accumulation accumulation{.index = index,
                                      .count = std::min(options_.accumulate, total - (iteration - index))};
      const auto losses = step(batch, solver, accumulation);
      if (ema && accumulation.last()) ema->update();
      if (hooks.on_progress) meter.add(losses, seconds_since(start), data_seconds);
      ++iteration;

      const bool last = iteration == total;
      if (hooks.on_progress && (last || iteration % options_.log_period == 0)) report(epoch, rate);
      if (hooks.on_checkpoint && (last || iteration % checkpoint_period == 0)) checkpoint(epoch);
      if (hooks.stop && hooks.stop(iteration)) {
        skipped_ = loader.skipped();
        return;
      }
    }
    skipped_ = loader.skipped();
    if (iteration == before) {
      throw DataError(
          fmt::format("no image of the training data can be decoded: {}", skipped_.front().message));
    }
  }
}

}  // namespace rcnn::train
