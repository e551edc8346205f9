#pragma once

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"

namespace rcnn {

/// Why a text file is not read: "No such file or directory".
struct TextFileError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The bytes of a file or a pipe that should hold a text of no more than `most` bytes. A larger file is
/// refused unread, and of a larger pipe, or a device without an end, no more than that is read. Throws
/// TextFileError.
inline std::string read_text_file(const std::filesystem::path& file, size_t most) {
  const auto fail_with_errno = [] { throw TextFileError(std::generic_category().message(errno)); };
  const Descriptor opened(file);
  if (!opened.is_open()) fail_with_errno();
  const auto check = [&](size_t size) {
    if (size > most) {
      throw TextFileError("it has more than " + std::to_string(most / 1'000'000) +
                          " MB, which no such text has");
    }
  };
  struct stat status {};
  if (::fstat(opened.number(), &status) != 0) fail_with_errno();
  if (S_ISREG(status.st_mode)) check(static_cast<size_t>(status.st_size));
  std::string text;
  constexpr size_t kBlock = 65536;
  for (size_t size = 0;;) {
    text.resize(size + std::max<size_t>(kBlock, size));  // twice as much each time
    const ssize_t count = ::read(opened.number(), text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_with_errno();
    size += static_cast<size_t>(count);
    check(size);
    if (count > 0) continue;
    text.resize(size);
    return text;
  }
}

/// The first bytes of a file, at most `most`; empty where it cannot be read.
inline std::string read_head(const std::filesystem::path& file, size_t most) {
  std::string head(most, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(most));
  head.resize(static_cast<size_t>(in.gcount()));
  return head;
}

/// Calls see(line) for each line, without its "\n".
template <class See>
void for_each_line(std::string_view text, See see) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    see(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace rcnn
