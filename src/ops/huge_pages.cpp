#include "ops/huge_pages.h"

#include <ATen/ops/empty.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace rcnn::ops {

at::Tensor empty_in_huge_pages(at::IntArrayRef sizes, const at::TensorOptions& options,
                               at::MemoryFormat format) {
  const at::Tensor tensor = at::empty(sizes, options, format);
#ifdef __linux__
  constexpr uintptr_t kHugePage = 2 << 20;
  if (tensor.is_cpu() && tensor.nbytes() >= 2 * kHugePage) {
    const auto address = reinterpret_cast<uintptr_t>(tensor.mutable_data_ptr());
    const uintptr_t begin = (address + kHugePage - 1) & ~(kHugePage - 1);
    const uintptr_t end = (address + tensor.nbytes()) & ~(kHugePage - 1);
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // advice: refused, nothing is lost
  }
#endif
  return tensor;
}

}  // namespace rcnn::ops
