#include "io/files/file_system.h"

#include <cstdio>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace rcnn::io {

FileSystem& FileSystem::real() {
  static FileSystem files;
  return files;
}

int FileSystem::create(const std::filesystem::path& file, mode_t mode) {
  return ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
}

int FileSystem::open_folder(const std::filesystem::path& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

ssize_t FileSystem::pwrite(int descriptor, const void* bytes, size_t size, off_t position) {
  return ::pwrite(descriptor, bytes, size, position);
}

int FileSystem::truncate(int descriptor, off_t size) {
  return ::ftruncate(descriptor, size);
}

int FileSystem::fsync(int descriptor) {
  return ::fsync(descriptor);
}

int FileSystem::close(int descriptor) {
  return ::close(descriptor);
}

int FileSystem::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  return ::rename(from.c_str(), to.c_str());
}

int FileSystem::unlink(const std::filesystem::path& file) {
  return ::unlink(file.c_str());
}

std::optional<uint64_t> FileSystem::free_bytes(const std::filesystem::path& folder) {
  struct statvfs status {};
  // Some file systems (FUSE, network) report no blocks at all.
  if (statvfs(folder.c_str(), &status) != 0 || status.f_blocks == 0) return std::nullopt;
  return uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace rcnn::io
