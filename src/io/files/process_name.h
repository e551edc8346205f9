#pragma once

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include <sys/utsname.h>
#include <unistd.h>

namespace rcnn::io {

/// This machine's name.
inline std::string host_name() {
  utsname system{};
  return uname(&system) == 0 ? system.nodename : "localhost";
}

/// What a locked file calls this process: the host and the process's number, with a space between.
inline std::string process_name() {
  return host_name() + " " + std::to_string(getpid());
}

/// Whether the process of that name may still be there: another host's cannot be asked.
inline bool may_live(const std::string& process) {
  if (process.empty()) return false;
  const size_t space = process.find(' ');
  if (space == std::string::npos || process.substr(0, space) != host_name()) return true;
  return kill(std::atoi(process.c_str() + space), 0) == 0 || errno != ESRCH;
}

}  // namespace rcnn::io
