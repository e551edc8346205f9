#include "data/images/image_header.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

/// A header or one line about the file, whatever the bytes; from a file, for files are read in blocks.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int descriptor = memfd_create("image", 0);
  if (size == 0) return 0;
  if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  try {
    rcnn::data::FileBytes bytes("/proc/self/fd/" + std::to_string(descriptor));
    const auto header = rcnn::data::read_image_header(bytes);
    if (header.orientation < 1 || header.orientation > 8 || header.size.width < 0 || header.size.height < 0 ||
        header.end < 0) {
      std::abort();
    }
  } catch (const rcnn::DataError& error) {
    if (std::strchr(error.what(), '\n') != nullptr) std::abort();
  }
  return 0;
}
