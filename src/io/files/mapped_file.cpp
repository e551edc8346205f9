#include "io/files/mapped_file.h"

#include <cerrno>
#include <string>
#include <system_error>

#include <sys/mman.h>
#include <sys/stat.h>

#include "descriptor.h"
#include "io/refusal.h"

namespace rcnn::io {
namespace {

[[noreturn]] void refuse_with_errno() {
  throw Refusal("cannot be read: " + std::generic_category().message(errno));
}

}  // namespace

Memory map_file(const std::filesystem::path& file) {
  const Descriptor descriptor(file, O_NONBLOCK);  // without it, opening a FIFO waits for a writer
  if (!descriptor.is_open()) refuse_with_errno();
  struct stat status {};
  if (fstat(descriptor.number(), &status) != 0) refuse_with_errno();
  if (S_ISDIR(status.st_mode)) throw Refusal("is a folder");
  if (!S_ISREG(status.st_mode)) throw Refusal("is no regular file");
  if (status.st_size == 0) throw Refusal("is empty (0 bytes)");

  const size_t size = status.st_size;
  // NORESERVE: pages that nobody writes to need no memory of their own, so that none is set aside for them.
  void* const bytes =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor.number(), 0);
  if (bytes == MAP_FAILED) refuse_with_errno();
  return {.bytes = {static_cast<char*>(bytes), [size](char* mapped) { munmap(mapped, size); }}, .size = size};
}

void read_in(const Memory& memory) {
  // Linux before 5.14 does not know it (EINVAL), as it does not know pages that begin within one.
  if (madvise(memory.bytes.get(), memory.size, MADV_POPULATE_READ) != 0 && errno == EFAULT) {
    throw Refusal("cannot be read to its end: the disk fails, or the file was cut short just now");
  }
}

}  // namespace rcnn::io
