#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rcnn::data {

/// Processes that work for this one: for what threads cannot share, such as the C library's rand(). They are
/// copies of this process as it was when they were made, which is why no other thread may be at work then,
/// and they end with it, whatever ends it.
class WorkerProcesses {
 public:
  /// work   what a worker does with the number of an item: gives the bytes that are sent back. It throws
  ///        nothing, and uses no threads
  ///
  /// Throws Error when the system refuses another process.
  WorkerProcesses(int64_t count, const std::function<std::string(int64_t item)>& work);
  ~WorkerProcesses();  ///< ends them at once
  WorkerProcesses(const WorkerProcesses&) = delete;
  WorkerProcesses& operator=(const WorkerProcesses&) = delete;

  /// Whether one of them has nothing to do.
  bool has_idle() const;

  /// Whether one of them has an item in work.
  bool is_busy() const;

  /// Gives an item to one that has nothing to do.
  void give(int64_t item);

  /// What became of an item.
  struct Answer {
    int64_t item = 0;
    std::string bytes = {};
    std::string death = {};  ///< instead of an answer: what ended the worker
  };

  /// Waits for one of the items that were given. None when a signal came first, and after a fifth of a
  /// second, for a signal may have come just before. One has to be busy.
  std::optional<Answer> wait();

 private:
  struct Worker {
    pid_t process = -1;
    int socket = -1;
    std::optional<int64_t> item = {};  // in work
  };

  void start(Worker& worker, const std::function<std::string(int64_t)>& work) const;
  Answer answer_of(Worker& worker);
  void end_all();

  std::vector<Worker> workers_;
};

}  // namespace rcnn::data
