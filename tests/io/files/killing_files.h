#pragma once

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/files/file_system.h"

namespace rcnn::io {

/// The real files of a process that is killed at the call of this number, from 0: before any of it is done,
/// or, with `half`, after half of the bytes where it is a write.
class KillingFiles : public FileSystem {
 public:
  explicit KillingFiles(int call, bool half = false) : left_(call), half_(half) {}

  int create(const std::filesystem::path& file, mode_t mode) override {
    count();
    return FileSystem::create(file, mode);
  }
  int open_folder(const std::filesystem::path& folder) override {
    count();
    return FileSystem::open_folder(folder);
  }
  ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) override {
    if (half_ && left_ == 0) FileSystem::pwrite(descriptor, bytes, size / 2, position);
    count();
    return FileSystem::pwrite(descriptor, bytes, size, position);
  }
  int truncate(int descriptor, off_t size) override {
    count();
    return FileSystem::truncate(descriptor, size);
  }
  int fsync(int descriptor) override {
    count();
    return FileSystem::fsync(descriptor);
  }
  int close(int descriptor) override {
    count();
    return FileSystem::close(descriptor);
  }
  int rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    count();
    return FileSystem::rename(from, to);
  }
  int unlink(const std::filesystem::path& file) override {
    count();
    return FileSystem::unlink(file);
  }

 private:
  void count() {
    if (left_-- == 0) kill(getpid(), SIGKILL);
  }

  int left_;
  const bool half_;
};

/// Runs `write` in a process of its own and waits for its end: whether it was killed. It may not use LibTorch
/// to compute, for that waits for threads, of which a forked process has none.
template <class Write>
bool is_killed(Write write) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      write();
      _exit(0);
    } catch (...) {
      _exit(1);
    }
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << "the writer failed";
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

}  // namespace rcnn::io
