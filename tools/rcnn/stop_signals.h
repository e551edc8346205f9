#pragma once

namespace rcnn::tools {

/// What is said to someone who stops the program, each a whole line; literals, for a handler reads them.
struct StopWords {
  const char* at_once = "interrupted before the first iteration\n";
  const char* requested = "stops after this iteration and saves its state; Ctrl-C once more leaves at once\n";
};

/// SIGINT, SIGTERM and SIGUSR1 (which cluster schedulers send ahead of the end) as requests to stop, while
/// this lives; there is one at a time. As long as there is nothing to save, the program ends at once with the
/// exit code that belongs to the signal: 130 for SIGINT, else 143. A second SIGINT ends it at once in any
/// case.
class StopSignals {
 public:
  explicit StopSignals(const StopWords& words = {});
  ~StopSignals();  ///< what was before
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// From now on a signal is a request, which someone asks for.
  void defer() const;

  bool requested() const;

  /// Of the signal that requested it.
  int exit_code() const;
};

}  // namespace rcnn::tools
