#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <vector>

namespace rcnn::data {

/// Calls each(i) for all i below `count` on so many threads, and on_progress(done, count) now and then in the
/// caller's. What is thrown arrives here.
template <class Each>
void for_all(int64_t count, int64_t threads, Each each,
             const std::function<void(int64_t, int64_t)>& on_progress = {}) {
  std::atomic<int64_t> next = 0, done = 0;
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      each(i);
      ++done;
    }
  };
  std::vector<std::future<void>> workers;
  for (int64_t i = 0; i < std::min(threads, count); ++i) {
    workers.push_back(std::async(std::launch::async, work));
  }
  for (auto& worker : workers) {
    while (on_progress && worker.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
      on_progress(done, count);
    }
    worker.get();
  }
  if (on_progress) on_progress(count, count);
}

}  // namespace rcnn::data
