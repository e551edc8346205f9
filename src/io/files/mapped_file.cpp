#include "io/files/mapped_file.h"

#include <cerrno>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/refusal.h"

namespace rcnn::io {
namespace {

[[noreturn]] void refuse_with_errno() {
  throw Refusal("cannot be read: " + std::generic_category().message(errno));
}

class Descriptor {
 public:
  // Without O_NONBLOCK, opening a FIFO waits for a writer.
  explicit Descriptor(const std::filesystem::path& file)
      : number_(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (number_ < 0) refuse_with_errno();
  }
  ~Descriptor() { close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

}  // namespace

Memory map_file(const std::filesystem::path& file) {
  const Descriptor descriptor(file);
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
