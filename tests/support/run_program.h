#pragma once

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temp_folder.h"

namespace rcnn {

struct Finished {
  int exit_code = 0;  ///< 128 + the signal when one ended it
  std::string out, err;
};

/// Of what waitpid() says.
inline int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// A program that runs beside the test.
class RunningProgram {
 public:
  /// `environment` holds NAME=value, in the place of those of this process.
  RunningProgram(const std::string& program, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment = {}) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out().c_str(), O_CREAT | O_WRONLY, 0600);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err().c_str(), O_CREAT | O_WRONLY, 0600);

    std::vector<char*> words = {const_cast<char*>(program.c_str())}, variables;
    for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    for (const auto& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
    // Each once: of two with one name programs take the first, and shells the last.
    const auto is_given = [&](std::string_view variable) {
      const auto name = variable.substr(0, variable.find('=') + 1);
      return std::any_of(environment.begin(), environment.end(),
                         [&](const auto& given) { return given.starts_with(name); });
    };
    for (char** variable = environ; *variable; ++variable) {
      if (!is_given(*variable)) variables.push_back(*variable);
    }
    variables.push_back(nullptr);

    // As a terminal's programs have them, also where the tests run in a script's background.
    sigset_t stopping;
    sigemptyset(&stopping);
    for (const int signal : {SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) sigaddset(&stopping, signal);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &stopping);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int failure =
        posix_spawn(&child_, program.c_str(), &files, &attributes, words.data(), variables.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (failure != 0) throw std::runtime_error(program + " cannot be started");
  }

  pid_t id() const { return child_; }
  std::string out() const { return folder_.path() / "out"; }  ///< the file of what it said so far
  std::string err() const { return folder_.path() / "err"; }
  void send(int signal) const { kill(child_, signal); }

  /// Waits for its end.
  Finished finish() {
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) continue;
    return {exit_code_of(status), file_bytes(out()), file_bytes(err())};
  }

 private:
  const TempFolder folder_;
  pid_t child_ = 0;
};

/// Runs a program to its end.
inline Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                            const std::vector<std::string>& environment = {}) {
  return RunningProgram(program, arguments, environment).finish();
}

}  // namespace rcnn
