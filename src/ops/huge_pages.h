#pragma once

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

/// at::empty, where on Linux the kernel may back a large tensor in CPU memory with pages of 2 MiB. A pooled
/// batch is some 50 MB that LibTorch's allocator gets anew for every call: with pages of 4 KiB the faults on
/// its first writing take longer than the pooling.
at::Tensor empty_in_huge_pages(at::IntArrayRef sizes, const at::TensorOptions& options,
                               at::MemoryFormat format);

}  // namespace rcnn::ops
