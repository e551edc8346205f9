#pragma once

namespace rcnn::tools {

/// What is said to someone who stops the program, each a whole line; literals, for a handler reads them.
struct StopWords {
  const char* at_once = "interrupted before the first iteration\n";
  const char* requested = "stops after this iteration and saves its state; Ctrl-C once more leaves at once\n";
};

/// Signals as requests to stop, while this lives; there is one at a time: SIGINT, SIGHUP (the terminal is
/// gone), SIGTERM, and what cluster schedulers and limits of time send ahead of the end: SIGUSR1, SIGUSR2,
/// SIGXCPU, SIGALRM. As long as there is nothing to save, the program ends at once with the exit code that
/// belongs to the signal: 130 for SIGINT, 129 for SIGHUP, else 143. A second SIGINT ends it at once in any
/// case.
///
/// A signal that the program was started to ignore stays ignored, as SIGHUP under nohup. Of SIGINT, which
/// shells have a script's `command &` ignore, so that Ctrl-C ends the script alone, it is the terminal's that
/// stays so: who sends one to the process means it.
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
