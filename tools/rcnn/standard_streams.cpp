#include "standard_streams.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <streambuf>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace rcnn::tools {
namespace {

constexpr int kUnwritable = 3, kReaderGone = 128 + SIGPIPE;
constexpr size_t kBuffer = 1 << 16;

/// What std::cout writes to while this lives. Keeps the reason of the first write that failed, and writes
/// nothing after it.
class CheckedStdout : public std::streambuf {
 public:
  CheckedStdout() : by_lines_(isatty(STDOUT_FILENO) == 1), before_(std::cout.rdbuf(this)) {}
  ~CheckedStdout() override { std::cout.rdbuf(before_); }
  CheckedStdout(const CheckedStdout&) = delete;
  CheckedStdout& operator=(const CheckedStdout&) = delete;

  /// Writes what is left. 0, or the error number of what failed.
  int finish() {
    flush();
    // Some file systems say only when a file is closed that it does not fit; closing a copy makes them say
    // it.
    if (wrote_ && error_ == 0 && ::close(::dup(STDOUT_FILENO)) != 0) error_ = errno;
    return error_;
  }

 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    const char byte = traits_type::to_char_type(c);
    return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
  }
  std::streamsize xsputn(const char* bytes, std::streamsize size) override {
    const std::string_view text(bytes, static_cast<size_t>(size));
    waiting_ += text;
    if (waiting_.size() >= kBuffer || (by_lines_ && text.find('\n') != text.npos)) flush();
    return error_ == 0 ? size : 0;
  }
  int sync() override { return flush() ? 0 : -1; }

 private:
  bool flush() {
    std::string_view left = waiting_;
    while (error_ == 0 && !left.empty()) {
      const auto written = ::write(STDOUT_FILENO, left.data(), left.size());
      if (written >= 0) {
        wrote_ = true;
        left.remove_prefix(static_cast<size_t>(written));
      } else if (errno == EAGAIN) {  // whoever shares it made it so
        pollfd ready{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
        ::poll(&ready, 1, -1);
      } else if (errno != EINTR) {
        error_ = errno;
      }
    }
    waiting_.clear();
    return error_ == 0;
  }

  const bool by_lines_;
  std::streambuf* const before_;
  std::string waiting_;
  bool wrote_ = false;
  int error_ = 0;
};

}  // namespace

void prepare_standard_streams() {
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
  // In their order, for open() gives the lowest number that is free.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int taken = ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int with_checked_stdout(const std::function<int()>& command) {
  CheckedStdout out;
  const int exit_code = command();
  const int error = out.finish();
  if (error == 0) return exit_code;
  if (error == EPIPE) return kReaderGone;
  std::cerr << "error: stdout cannot be written: " << std::generic_category().message(error) << std::endl;
  return kUnwritable;
}

}  // namespace rcnn::tools
