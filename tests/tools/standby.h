#pragma once

#include <array>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/run_program.h"
#include "tests/tools/standby_request.h"

namespace rcnn::tools {

/// Descriptors for stdin, stdout and stderr; -1 for one that is closed.
using Streams = std::array<int, 3>;

/// A program that runs command lines of rcnn, each in a process of its own: standby.cpp.
class Standby {
 public:
  explicit Standby(const std::string& program) : Standby(program, pair()) {}
  ~Standby() {
    close(socket_);
    program_.finish();
  }
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;

  /// As run_program() does. Without `streams` stdin is this process's, and what comes on the others is in the
  /// result.
  Finished run(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) const {
    const TempFolder folder;
    const std::string out = folder.path() / "out", err = folder.path() / "err";
    Streams streams{STDIN_FILENO, open(out.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600),
                    open(err.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
    const int exit_code = run(arguments, environment, streams, std::filesystem::current_path());
    close(streams[1]);
    close(streams[2]);
    return {exit_code, file_bytes(out), file_bytes(err)};
  }

  /// The exit code.
  int run(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
          const Streams& streams, const std::filesystem::path& folder) const {
    std::string text, open;
    const auto add = [&](RequestPart part, const std::string& value) {
      text += static_cast<char>(part) + value + '\0';
    };
    std::vector<int> given;
    for (const int stream : streams) {
      open += stream < 0 ? '0' : '1';
      if (stream >= 0) given.push_back(stream);
    }
    add(RequestPart::streams, open);
    add(RequestPart::folder, folder);
    for (const auto& variable : environment) add(RequestPart::variable, variable);
    for (const auto& argument : arguments) add(RequestPart::argument, argument);
    send(text, given);
    int status = 0;
    if (recv(socket_, &status, sizeof status, 0) != sizeof status)
      throw std::runtime_error("the program on standby ended: " + file_bytes(program_.err()));
    return exit_code_of(status);
  }

 private:
  static std::array<int, 2> pair() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()) != 0) throw std::runtime_error("no socket");
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    return ends;
  }

  Standby(const std::string& program, std::array<int, 2> ends)
      : socket_(ends[0]), program_(program, {std::to_string(ends[1])}) {
    close(ends[1]);
  }

  void send(std::string& text, const std::vector<int>& streams) const {
    if (text.size() > kLongestRequest) throw std::runtime_error("too long a command line");
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(3 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!streams.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(streams.size() * sizeof(int));
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(streams.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), streams.data(), streams.size() * sizeof(int));
    }
    if (sendmsg(socket_, &message, MSG_NOSIGNAL) < 0) throw std::runtime_error("nobody stands by");
  }

  const int socket_;
  RunningProgram program_;
};

}  // namespace rcnn::tools
