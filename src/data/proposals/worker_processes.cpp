#include "data/proposals/worker_processes.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <ATen/Parallel.h>
#include <opencv2/core/utility.hpp>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rcnn/error.h>

namespace rcnn::data {
namespace {

/// False when the other side is gone.
bool send_all(int socket, const void* bytes, size_t size) {
  const auto* next = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t sent = send(socket, next, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    next += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

/// The same, when it is gone before all has come.
bool receive_all(int socket, void* bytes, size_t size) {
  auto* next = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t got = recv(socket, next, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    next += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

/// A worker's life. Whoever stops the program stops its first process, which ends this one; Ctrl-C in a
/// terminal comes to both.
[[noreturn]] void serve(int socket, pid_t parent, const std::function<std::string(int64_t)>& work) {
  for (const int signal : {SIGINT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM}) {
    std::signal(signal, SIG_IGN);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  // Threads of a pool that the first process has are not here.
  at::set_num_threads(1);
  cv::setNumThreads(1);
  int64_t item = 0;
  while (receive_all(socket, &item, sizeof item)) {
    const std::string answer = work(item);
    const uint64_t size = answer.size();
    if (!send_all(socket, &size, sizeof size) || !send_all(socket, answer.data(), answer.size())) break;
  }
  _exit(0);
}

std::string death_of(pid_t process) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) continue;
  return WIFSIGNALED(status) ? fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                                           sigdescr_np(WTERMSIG(status)) ? sigdescr_np(WTERMSIG(status)) : "")
                             : fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

}  // namespace

WorkerProcesses::WorkerProcesses(int64_t count, const std::function<std::string(int64_t)>& work)
    : workers_(static_cast<size_t>(count)) {
  try {
    for (auto& worker : workers_) start(worker, work);
  } catch (...) {
    end_all();
    throw;
  }
}

WorkerProcesses::~WorkerProcesses() {
  end_all();
}

void WorkerProcesses::start(Worker& worker, const std::function<std::string(int64_t)>& work) const {
  int sockets[2];
  const auto refuse = [] {
    throw Error(fmt::format("a worker process cannot be started: {}; have fewer (--jobs)",
                            std::generic_category().message(errno)),
                1);
  };
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) refuse();
  const pid_t parent = getpid();
  worker.process = fork();
  if (worker.process == 0) {
    // The others' sockets would keep them waiting for a process that is gone.
    for (const auto& other : workers_) {
      if (other.socket >= 0) close(other.socket);
    }
    close(sockets[0]);
    serve(sockets[1], parent, work);
  }
  const int code = errno;
  close(sockets[1]);
  worker.socket = sockets[0];
  errno = code;
  if (worker.process < 0) refuse();
}

void WorkerProcesses::end_all() {
  for (auto& worker : workers_) {
    if (worker.socket >= 0) close(std::exchange(worker.socket, -1));
    if (worker.process <= 0) continue;
    kill(worker.process, SIGKILL);
    death_of(std::exchange(worker.process, -1));
  }
}

bool WorkerProcesses::has_idle() const {
  return std::ranges::any_of(workers_, [](const auto& worker) { return worker.process > 0 && !worker.item; });
}

bool WorkerProcesses::is_busy() const {
  return std::ranges::any_of(workers_, [](const auto& worker) { return worker.item.has_value(); });
}

void WorkerProcesses::give(int64_t item) {
  const auto idle =
      std::ranges::find_if(workers_, [](const auto& worker) { return worker.process > 0 && !worker.item; });
  idle->item = item;
  send_all(idle->socket, &item, sizeof item);  // that it is gone is what wait() finds
}

std::optional<WorkerProcesses::Answer> WorkerProcesses::wait() {
  std::vector<pollfd> sockets;
  std::vector<Worker*> busy;
  for (auto& worker : workers_) {
    if (!worker.item) continue;
    sockets.push_back({.fd = worker.socket, .events = POLLIN, .revents = 0});
    busy.push_back(&worker);
  }
  constexpr int kMilliseconds = 200;
  if (poll(sockets.data(), sockets.size(), kMilliseconds) <= 0) return std::nullopt;
  const auto ready = std::ranges::find_if(sockets, [](const auto& socket) { return socket.revents != 0; });
  return answer_of(*busy[static_cast<size_t>(ready - sockets.begin())]);
}

WorkerProcesses::Answer WorkerProcesses::answer_of(Worker& worker) {
  Answer answer{.item = *std::exchange(worker.item, std::nullopt)};
  uint64_t size = 0;
  if (receive_all(worker.socket, &size, sizeof size)) {
    answer.bytes.resize(size);
    if (receive_all(worker.socket, answer.bytes.data(), size)) return answer;
  }
  answer.bytes.clear();
  close(std::exchange(worker.socket, -1));
  answer.death = death_of(std::exchange(worker.process, -1));
  return answer;
}

}  // namespace rcnn::data
