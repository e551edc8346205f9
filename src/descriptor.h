#pragma once

#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

namespace rcnn {

/// A file that is open to be read, closed at the end.
class Descriptor {
 public:
  /// `flags` are open()'s beside O_RDONLY and O_CLOEXEC. Where it fails, errno says why.
  explicit Descriptor(const std::filesystem::path& file, int flags = 0)
      : number_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | flags)) {}
  ~Descriptor() {
    if (is_open()) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool is_open() const { return number_ >= 0; }
  int number() const { return number_; }

 private:
  const int number_;
};

}  // namespace rcnn
