#include <new>
#include <string_view>

#include <c10/util/Exception.h>

#include <rcnn/error.h>

namespace rcnn {

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error)) {
    return true;
  }
  // LibTorch's CPU allocator throws a plain c10::Error.
  const auto* plain = dynamic_cast<const c10::Error*>(&error);
  return plain &&
         std::string_view(plain->what_without_backtrace()).find("can't allocate memory") != std::string::npos;
}

}  // namespace rcnn
