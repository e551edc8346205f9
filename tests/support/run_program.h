#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
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

/// Runs a program to its end. `environment` holds NAME=value that come before those of this process.
inline Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                            const std::vector<std::string>& environment = {}) {
  const TempFolder folder;
  const std::string out = folder.path() / "out", err = folder.path() / "err";
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_CREAT | O_WRONLY, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_CREAT | O_WRONLY, 0600);

  std::vector<char*> words = {const_cast<char*>(program.c_str())}, variables;
  for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  for (const auto& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
  for (char** variable = environ; *variable; ++variable) variables.push_back(*variable);
  variables.push_back(nullptr);

  pid_t child = 0;
  const int failure = posix_spawn(&child, program.c_str(), &files, nullptr, words.data(), variables.data());
  posix_spawn_file_actions_destroy(&files);
  if (failure != 0) throw std::runtime_error(program + " cannot be started");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), file_bytes(out), file_bytes(err)};
}

}  // namespace rcnn
