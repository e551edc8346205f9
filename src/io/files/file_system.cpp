#include "io/files/file_system.h"

#include <sys/statvfs.h>

namespace rcnn::io {

FileSystem& FileSystem::real() {
  static FileSystem files;
  return files;
}

std::optional<uint64_t> FileSystem::free_bytes(const std::filesystem::path& folder) {
  struct statvfs status {};
  // Some file systems (FUSE, network) report no blocks at all.
  if (statvfs(folder.c_str(), &status) != 0 || status.f_blocks == 0) return std::nullopt;
  return uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace rcnn::io
