#include <new>
#include <string_view>

#include <c10/util/Exception.h>

#include <rcnn/error.h>

namespace rcnn {

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error)) {
    return true;
  }
  // LibTorch's CPU allocator throws a plain c10::Error; so do sizes that no memory could ever have.
  const auto* plain = dynamic_cast<const c10::Error*>(&error);
  if (!plain) return false;
  const std::string_view message = plain->what_without_backtrace();
  return message.find("can't allocate memory") != std::string_view::npos ||
         message.find("Storage size calculation overflowed") != std::string_view::npos;
}

}  // namespace rcnn
