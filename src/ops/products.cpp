#include "ops/products.h"

#include <algorithm>

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/record_function.h>

#include "ops/parallel.h"

namespace rcnn::ops {
namespace {

/// What a thread of ours that calls LibTorch has to leave out: its own dispatching knows nothing of the
/// caller's modes.
struct PlainOperators {
  at::AutoDispatchBelowADInplaceOrView no_gradient;
  c10::impl::ExcludeDispatchKeyGuard in_given_precision{c10::autocast_dispatch_keyset};
  at::DisableRecordFunctionGuard as_part_of_this_operator;
};

/// Calls body(begin, count) for parts of 0..size-1. On the CPU they depend on the size alone and each is one
/// thread's, where LibTorch's products start no others: sums come in the same order on any number of threads.
template <class Body>
void in_parts(at::Device device, int64_t size, const Body& body) {
  if (!device.is_cpu()) {
    const PlainOperators plain;
    return body(int64_t{0}, size);
  }
  constexpr int64_t kLeast = 128, kMostParts = 8;
  const int64_t parts = std::clamp<int64_t>(size / kLeast, 1, kMostParts),
                length = (size + parts - 1) / parts;
  // Of a single item at::parallel_for makes no parallel region, in which products see that they are inside.
  parallel(std::max<int64_t>(parts, 2), 1, [&](int64_t begin, int64_t end) {
    const PlainOperators plain;
    for (int64_t first = begin * length; first < std::min(end * length, size); first += length)
      body(first, std::min(length, size - first));
  });
}

}  // namespace

void multiply(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& addend) {
  // With a single thread MKL adds up longer sums in another order than it does inside a parallel region.
  constexpr int64_t kDepth = 256;
  const at::Tensor added = addend.defined() ? addend.expand_as(out) : addend;
  const int split = out.size(0) >= out.size(1) ? 0 : 1;
  in_parts(out.device(), out.size(split), [&](int64_t begin, int64_t count) {
    at::Tensor part = out.narrow(split, begin, count);
    const at::Tensor left = split == 0 ? a.narrow(0, begin, count) : a,
                     right = split == 0 ? b : b.narrow(1, begin, count);
    const int64_t depth = out.is_cpu() ? kDepth : std::max<int64_t>(a.size(1), 1);
    for (int64_t k = 0; k == 0 || k < a.size(1); k += depth) {
      const int64_t length = std::min(depth, a.size(1) - k);
      const at::Tensor factor = left.narrow(1, k, length), other = right.narrow(0, k, length);
      if (k > 0) {
        part.addmm_(factor, other);
      } else if (added.defined()) {
        at::addmm_out(part, added.narrow(split, begin, count), factor, other);
      } else {
        at::mm_out(part, factor, other);
      }
    }
  });
}

at::Tensor sum_of_rows(const at::Tensor& a) {
  const at::Tensor sum = at::empty({a.size(1)}, a.options());
  in_parts(a.device(), a.size(1), [&](int64_t begin, int64_t count) {
    at::Tensor part = sum.narrow(0, begin, count);
    at::sum_out(part, a.narrow(1, begin, count), at::IntArrayRef{0});
  });
  return sum;
}
}  // namespace rcnn::ops
