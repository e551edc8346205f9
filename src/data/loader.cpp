#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include <c10/util/Exception.h>
#include <opencv2/core/utility.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/loader.h>
#include <rcnn/error.h>

#include "data/random.h"

namespace rcnn::data {

class Loader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, TransformOptions transform, LoaderOptions options)
      : dataset_(std::move(dataset)), transform_(transform), options_(options) {
    TORCH_CHECK(options.batch_size > 0 && options.workers >= 0 && options.prefetch > 0,
                "Loader: batch_size and prefetch must be positive and workers not negative");
    const int64_t images = dataset_->size();
    batches_ = (options.drop_last ? images : images + options.batch_size - 1) / options.batch_size;
    if (batches_ == 0) {
      throw ConfigError(
          fmt::format("{} images make no batch of {}; lower the batch size", images, options.batch_size));
    }
    cv::setNumThreads(0);  // the workers are the threads; process-wide
    for (int64_t i = 0; i < options.workers; ++i) {
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }

  int64_t batches() const { return batches_; }

  void start(int64_t number, int64_t first_batch) {
    TORCH_CHECK(first_batch >= 0 && first_batch <= batches_, "Loader: batch ", first_batch, " of ", batches_);
    auto epoch = std::make_shared<Epoch>();
    epoch->number = number;
    epoch->order.resize(static_cast<size_t>(dataset_->size()));
    std::iota(epoch->order.begin(), epoch->order.end(), 0);
    if (options_.shuffle) {  // Fisher and Yates
      Random random(hash(options_.seed, number));
      for (int64_t i = dataset_->size() - 1; i > 0; --i)
        std::swap(epoch->order[i], epoch->order[random.below(i + 1)]);
    }
    const std::lock_guard lock(mutex_);
    epoch_ = std::move(epoch);
    ready_.clear();
    claimed_ = delivered_ = first_batch;
    work_left_.notify_all();
  }

  bool next(Batch& batch) {
    std::unique_lock lock(mutex_);
    TORCH_CHECK(epoch_, "Loader: call start before next");
    if (delivered_ == batches_) return false;
    const int64_t index = delivered_++;
    Result result;
    if (workers_.empty()) {
      result = attempt(*epoch_, index);
    } else {
      work_left_.notify_one();
      batch_ready_.wait(lock, [&] { return ready_.contains(index); });
      result = std::move(ready_.extract(index).mapped());
    }
    if (result.error) std::rethrow_exception(result.error);
    batch = std::move(result.batch);
    return true;
  }

 private:
  struct Epoch {
    int64_t number = 0;
    std::vector<int64_t> order;  // of the data set's indices
  };

  struct Result {
    Batch batch;
    std::exception_ptr error;
  };

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto may_claim = [&] {
      return epoch_ && claimed_ < std::min(batches_, delivered_ + options_.prefetch);
    };
    while (work_left_.wait(lock, stop, may_claim) && !stop.stop_requested()) {
      const std::shared_ptr<const Epoch> epoch = epoch_;
      const int64_t index = claimed_++;
      lock.unlock();
      Result result = attempt(*epoch, index);
      lock.lock();
      if (epoch != epoch_) continue;  // started anew meanwhile
      ready_.emplace(index, std::move(result));
      batch_ready_.notify_one();
    }
  }

  Result attempt(const Epoch& epoch, int64_t index) const {
    try {
      return {.batch = make(epoch, index), .error = nullptr};
    } catch (...) {
      return {.batch = {}, .error = std::current_exception()};
    }
  }

  Batch make(const Epoch& epoch, int64_t index) const {
    Batch batch;
    const int64_t begin = index * options_.batch_size;
    const int64_t end = std::min(begin + options_.batch_size, dataset_->size());
    for (int64_t position = begin; position < end; ++position) {
      const int64_t i = epoch.order[static_cast<size_t>(position)];
      const uint64_t seed = hash(options_.seed, epoch.number, i);
      Sample sample = transform(dataset_->image(i), dataset_->record(i), transform_, seed);
      batch.images.images.push_back(std::move(sample.image));
      batch.images.sizes.push_back(sample.size);
      batch.targets.push_back(std::move(sample.target));
      batch.indices.push_back(i);
    }
    return batch;
  }

  const std::shared_ptr<const Dataset> dataset_;
  const TransformOptions transform_;
  const LoaderOptions options_;
  int64_t batches_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any work_left_;
  std::condition_variable batch_ready_;
  std::shared_ptr<const Epoch> epoch_;  // a new one at each start
  int64_t claimed_ = 0;                 // the next batch that a worker takes
  int64_t delivered_ = 0;               // the next batch that next() gives
  std::map<int64_t, Result> ready_;

  std::vector<std::jthread> workers_;  // last: stopped and joined before the rest goes
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, TransformOptions transform, LoaderOptions options)
    : impl_(std::make_unique<Impl>(std::move(dataset), transform, options)) {}

Loader::~Loader() = default;

int64_t Loader::batches_per_epoch() const {
  return impl_->batches();
}

void Loader::start(int64_t epoch, int64_t first_batch) {
  impl_->start(epoch, first_batch);
}

bool Loader::next(Batch& batch) {
  return impl_->next(batch);
}

}  // namespace rcnn::data
