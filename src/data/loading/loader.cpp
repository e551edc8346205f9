#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <utility>

#include <c10/util/Exception.h>
#include <opencv2/core/utility.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/loading/loader.h>
#include <rcnn/error.h>

#include "data/loading/random.h"

namespace rcnn::data {

class Loader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, TransformOptions transform, LoaderOptions options)
      : dataset_(std::move(dataset)), transform_(std::move(transform)), options_(options) {
    TORCH_CHECK(options.batch_size > 0 && options.workers >= 0 && options.prefetch > 0,
                "Loader: batch_size and prefetch must be positive and workers not negative");
    TORCH_CHECK(0 <= options.shard && options.shard < options.shards, "Loader: shard ", options.shard, " of ",
                options.shards);
    batches_ = std::ssize(make_epoch(0).batches);
    if (batches_ == 0) {
      throw ConfigError(fmt::format("{} images make no {} of {}; lower the batch size", dataset_->size(),
                                    options.shards > 1 ? fmt::format("{} batches", options.shards) : "batch",
                                    options.batch_size));
    }
    cv::setNumThreads(0);  // the workers are the threads; process-wide
    for (int64_t i = 0; i < options.workers; ++i) {
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }

  int64_t batches() const { return batches_; }

  void start(int64_t number, int64_t first_batch) {
    TORCH_CHECK(first_batch >= 0 && first_batch <= batches_, "Loader: batch ", first_batch, " of ", batches_);
    auto epoch = std::make_shared<const Epoch>(make_epoch(number));
    const std::lock_guard lock(mutex_);
    epoch_ = std::move(epoch);
    ready_.clear();
    claimed_ = delivered_ = first_batch;
    work_left_.notify_all();
  }

  bool next(Batch& batch) {
    std::unique_lock lock(mutex_);
    TORCH_CHECK(epoch_, "Loader: call start before next");
    while (delivered_ < batches_) {
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
      for (auto& bad : result.bad) {
        if (skipped_indices_.insert(bad.index).second) skipped_.push_back(std::move(bad));
      }
      if (result.batch.indices.empty()) continue;
      batch = std::move(result.batch);
      return true;
    }
    return false;
  }

  int64_t position() const { return delivered_; }

  const std::vector<BadImage>& skipped() const { return skipped_; }

 private:
  struct Epoch {
    int64_t number = 0;
    std::vector<std::vector<int64_t>> batches;  // of the data set's indices
  };

  struct Result {
    Batch batch;
    std::vector<BadImage> bad;
    std::exception_ptr error;
  };

  Epoch make_epoch(int64_t number) const {
    std::vector<int64_t> order(static_cast<size_t>(dataset_->size()));
    std::iota(order.begin(), order.end(), 0);
    if (options_.shuffle) Random(hash(options_.seed, number)).shuffle(order);
    Epoch epoch{.number = number, .batches = {}};
    std::array<std::vector<int64_t>, 2> groups;
    for (const int64_t i : order) {
      const ImageSize size = dataset_->record(i).size;
      auto& group = groups[options_.group_by_aspect && size.width < size.height ? 1 : 0];
      group.push_back(i);
      if (std::ssize(group) == options_.batch_size) epoch.batches.push_back(std::exchange(group, {}));
    }
    for (auto& group : groups) {
      if (!group.empty() && !options_.drop_last) epoch.batches.push_back(std::move(group));
    }
    if (options_.shards > 1) epoch.batches = own_share(std::move(epoch.batches));
    return epoch;
  }

  std::vector<std::vector<int64_t>> own_share(std::vector<std::vector<int64_t>> batches) const {
    std::vector<std::vector<int64_t>> own(batches.size() / static_cast<size_t>(options_.shards));
    for (size_t i = 0; i < own.size(); ++i) {
      own[i] =
          std::move(batches[i * static_cast<size_t>(options_.shards) + static_cast<size_t>(options_.shard)]);
    }
    return own;
  }

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
    Result result;
    try {
      for (const int64_t i : epoch.batches[static_cast<size_t>(index)]) add(epoch, i, result);
    } catch (...) {
      result.error = std::current_exception();
    }
    return result;
  }

  void add(const Epoch& epoch, int64_t i, Result& result) const {
    at::Tensor image;
    try {
      image = checked_image(*dataset_, i);
    } catch (const DataError& error) {
      if (options_.bad_images == Policy::stop) throw;
      result.bad.push_back({.index = i, .message = error.what()});
      return;
    }
    Sample sample = transform(image, dataset_->record(i), transform_, hash(options_.seed, epoch.number, i));
    Batch& batch = result.batch;
    batch.images.images.push_back(std::move(sample.image));
    batch.images.sizes.push_back(sample.size);
    batch.targets.push_back(std::move(sample.target));
    batch.indices.push_back(i);
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
  int64_t delivered_ = 0;               // the next batch that next() gives; the consumer's to change
  std::map<int64_t, Result> ready_;

  std::vector<BadImage> skipped_;  // the consumer's alone, as the next
  std::set<int64_t> skipped_indices_;

  std::vector<std::jthread> workers_;  // last: stopped and joined before the rest goes
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, TransformOptions transform, LoaderOptions options)
    : impl_(std::make_unique<Impl>(std::move(dataset), std::move(transform), options)) {}

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

int64_t Loader::position() const {
  return impl_->position();
}

const std::vector<BadImage>& Loader::skipped() const {
  return impl_->skipped();
}

}  // namespace rcnn::data
