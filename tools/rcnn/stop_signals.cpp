#include "stop_signals.h"

#include <array>
#include <csignal>
#include <string_view>

#include <unistd.h>

namespace rcnn::tools {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGUSR1};

volatile std::sig_atomic_t deferred = 0;
volatile std::sig_atomic_t received = 0;
StopWords said;
std::array<struct sigaction, kSignals.size()> before;

int code_of(int signal) {
  return 128 + (signal == SIGINT ? SIGINT : SIGTERM);
}

void say(std::string_view text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

/// Only what is safe in a handler.
void handle(int signal) {
  if (!deferred) {
    say(said.at_once);
    _exit(code_of(signal));
  }
  if (received && signal == SIGINT) _exit(code_of(signal));
  if (!received) {
    received = signal;
    say(said.requested);
  }
}

}  // namespace

StopSignals::StopSignals(const StopWords& words) {
  said = words;
  deferred = 0;
  received = 0;
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before[i]);
}

StopSignals::~StopSignals() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
}

void StopSignals::defer() const {
  deferred = 1;
}

bool StopSignals::requested() const {
  return received != 0;
}

int StopSignals::exit_code() const {
  return code_of(received);
}

}  // namespace rcnn::tools
