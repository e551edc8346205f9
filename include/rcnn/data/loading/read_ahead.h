#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace rcnn::data {

/// Reads items ahead of the one who takes them, on threads of its own. They are taken in their order by one
/// thread, however long each takes to read.
template <class Item>
class ReadAhead {
 public:
  /// Makes the item of a number. Called by several threads at once; what it throws comes out of next().
  using Read = std::function<Item(int64_t index)>;

  /// threads   0 reads in next(), in the caller's thread
  /// ahead     items at most, 1 or more, that wait or are being read beyond the one that next() is after
  ReadAhead(int64_t threads, int64_t ahead) : ahead_(ahead) {
    for (int64_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }

  /// Waits for the items that are being read, and no other is begun.
  ~ReadAhead() {
    for (auto& thread : threads_) thread.request_stop();
  }

  /// Begins with the items `first` to `end` - 1. What is left of an earlier start is dropped.
  void start(int64_t first, int64_t end, Read read) {
    const std::lock_guard lock(mutex_);
    read_ = std::make_shared<const Read>(std::move(read));
    ready_.clear();
    begun_ = taken_ = first;
    end_ = end;
    may_begin_.notify_all();
  }

  /// The next item, waiting for it; none at the end. Throws what reading it threw, and goes on with the next.
  std::optional<Item> next() {
    std::unique_lock lock(mutex_);
    if (taken_ >= end_) return std::nullopt;
    const int64_t index = taken_++;
    if (threads_.empty()) return (*read_)(index);
    may_begin_.notify_one();
    is_ready_.wait(lock, [&] { return ready_.contains(index); });
    Outcome outcome = std::move(ready_.extract(index).mapped());
    lock.unlock();
    if (outcome.error) std::rethrow_exception(outcome.error);
    return std::move(outcome.item);
  }

  /// The number of the item that next() gives next.
  int64_t position() const { return taken_; }

 private:
  struct Outcome {
    std::optional<Item> item;
    std::exception_ptr error;
  };

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto may_begin = [&] { return begun_ < std::min(end_, taken_ + ahead_); };
    while (may_begin_.wait(lock, stop, may_begin) && !stop.stop_requested()) {
      const auto read = read_;
      const int64_t index = begun_++;
      lock.unlock();
      Outcome outcome = attempt(*read, index);
      lock.lock();
      if (read != read_) continue;  // started anew meanwhile
      ready_.emplace(index, std::move(outcome));
      is_ready_.notify_one();
    }
  }

  static Outcome attempt(const Read& read, int64_t index) {
    try {
      return {.item = read(index), .error = {}};
    } catch (...) {
      return {.item = {}, .error = std::current_exception()};
    }
  }

  const int64_t ahead_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any may_begin_;
  std::condition_variable is_ready_;
  std::shared_ptr<const Read> read_;  // another one at each start
  int64_t begun_ = 0;                 // the next item that a thread reads
  int64_t taken_ = 0;                 // the next item that next() gives; the taker's to change
  int64_t end_ = 0;
  std::map<int64_t, Outcome> ready_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace rcnn::data
