// The program, loaded once for many command lines: each that comes on the socket gets a process of its own,
// which begins with LibTorch in place. Loading that takes half a second, most of what hundreds of short runs
// take.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tools/standby_request.h"

int rcnn_main(int argc, char** argv);  // tools/rcnn/main.cpp

namespace rcnn::tools {
namespace {

/// What a process shall be: see Standby::run() in standby.h.
struct Request {
  std::string bytes;
  std::array<int, 3> streams{-1, -1, -1};
};

/// False when nobody is there any more.
bool receive(int socket, Request& request) {
  request = {.bytes = std::string(kLongestRequest, '\0')};
  iovec part{.iov_base = request.bytes.data(), .iov_len = request.bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(3 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (size <= 0) return false;
  request.bytes.resize(static_cast<size_t>(size));
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
    std::copy_n(CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0),
                reinterpret_cast<unsigned char*>(request.streams.data()));
  }
  return true;
}

/// In the process that was made for it.
[[noreturn]] void serve(const Request& request) {
  std::vector<char*> arguments = {const_cast<char*>("rcnn")};
  int given = 0;
  for (const char* text = request.bytes.data(); text < request.bytes.data() + request.bytes.size();
       text += std::strlen(text) + 1) {
    char* value = const_cast<char*>(text) + 1;
    switch (static_cast<RequestPart>(*text)) {
      case RequestPart::argument:
        arguments.push_back(value);
        break;
      case RequestPart::variable:
        putenv(value);
        break;
      case RequestPart::folder:
        if (chdir(value) != 0) _exit(1);
        break;
      case RequestPart::streams:
        for (int stream = 0; stream < 3; ++stream) {
          if (value[stream] == '1') {
            dup2(request.streams[static_cast<size_t>(given++)], stream);
          } else {
            close(stream);
          }
        }
        for (int i = 0; i < given; ++i) close(request.streams[static_cast<size_t>(i)]);
        break;
    }
  }
  arguments.push_back(nullptr);
  const int exit_code = rcnn_main(static_cast<int>(arguments.size()) - 1, arguments.data());
  std::fflush(nullptr);
  _exit(exit_code);  // the libraries' farewells touch all their pages, a quarter of a second
}

int stand_by(int socket) {
  setenv("OPENCV_LOG_LEVEL", "SILENT", /*overwrite=*/0);  // as rcnn_main does; OpenCV asks when it is loaded
  if (!dlopen(RCNN_COMMANDS, RTLD_LAZY | RTLD_GLOBAL)) {
    std::cerr << dlerror() << std::endl;
    return 1;
  }
  for (Request request; receive(socket, request);) {
    const pid_t child = fork();
    if (child == 0) {
      close(socket);
      serve(request);
    }
    for (const int stream : request.streams) close(stream);
    int status = 0;
    waitpid(child, &status, 0);
    send(socket, &status, sizeof status, MSG_NOSIGNAL);
  }
  return 0;
}

}  // namespace
}  // namespace rcnn::tools

int main(int, char** argv) {
  return rcnn::tools::stand_by(std::atoi(argv[1]));
}
