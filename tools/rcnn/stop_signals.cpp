#include "stop_signals.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include <unistd.h>

namespace rcnn::tools {
namespace {

constexpr std::array kSignals = {SIGINT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM};

volatile std::sig_atomic_t deferred = 0;
volatile std::sig_atomic_t received = 0;
StopWords said;
volatile std::sig_atomic_t deaf_to_ctrl_c = 0;
std::array<struct sigaction, kSignals.size()> before;

int code_of(int signal) {
  return 128 + (signal == SIGINT || signal == SIGHUP ? signal : SIGTERM);
}

void say(std::string_view text) {
  const int code = errno;
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  errno = code;  // of whoever was interrupted
}

/// Only what is safe in a handler.
void handle(int signal, siginfo_t* info, void*) {
  if (signal == SIGINT && deaf_to_ctrl_c && info->si_code == SI_KERNEL) return;
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
  action.sa_sigaction = handle;
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &before[i]);
    const bool ignored = before[i].sa_handler == SIG_IGN;
    if (kSignals[i] == SIGINT) deaf_to_ctrl_c = ignored;
    if (!ignored || kSignals[i] == SIGINT) sigaction(kSignals[i], &action, nullptr);
  }
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
