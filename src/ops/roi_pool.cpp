#include "ops/kernels/roi_pool.h"

#include <array>
#include <limits>

#include <ATen/core/grad_mode.h>

#include <rcnn/ops/roi_pool.h>

#include "ops/device.h"
#include "ops/huge_pages.h"
#include "ops/once_differentiable.h"
#include "ops/parallel.h"
#include "ops/roi_checks.h"

namespace rcnn::ops {
namespace {

using kernels::Real;
using kernels::RoiPoolShape;

constexpr const char* kRoiPool = "roi_pool";

at::MemoryFormat format_of(const RoiPoolShape& shape) {
  return shape.channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

struct Pooled {
  at::Tensor output;
  at::Tensor argmax;  ///< int32, as output: y * W + x of each maximum, -1 where there is none
};

/// argmax stays undefined where no gradient will ask for it.
Pooled forward(const RoiPoolShape& shape, const at::Tensor& features, const at::Tensor& rois,
               bool with_argmax) {
  const std::array sizes = {shape.rois, shape.channels, shape.out_height, shape.out_width};
  Pooled pooled{empty_in_huge_pages(sizes, features.options(), format_of(shape)), {}};
  if (with_argmax)
    pooled.argmax = empty_in_huge_pages(sizes, features.options().dtype(at::kInt), format_of(shape));
  with_element_type(features.scalar_type(), [&]<class T>(T) {
    const T* cells = const_data<T>(features);
    const Real<T>* boxes = const_data<Real<T>>(rois);
    T* output = mutable_data<T>(pooled.output);
    int32_t* argmax = with_argmax ? mutable_data<int32_t>(pooled.argmax) : nullptr;
    on_device(
        kRoiPool, features.device(),
        [&] { kernels::cpu::roi_pool_forward(shape, cells, boxes, output, argmax, parallel); },
        [&](auto stream) {
          return kernels::cuda::roi_pool_forward(shape, cells, boxes, output, argmax, stream);
        });
  });
  return pooled;
}

at::Tensor backward(const RoiPoolShape& shape, const at::Tensor& grad_output, const at::Tensor& rois,
                    const at::Tensor& argmax) {
  const at::Tensor grad = grad_output.contiguous(format_of(shape));
  const at::Tensor grad_features = empty_in_huge_pages(
      {shape.images, shape.channels, shape.height, shape.width}, rois.options(), format_of(shape));
  with_element_type(grad.scalar_type(), [&]<class T>(T) {
    const T* from = const_data<T>(grad);
    const Real<T>* boxes = const_data<Real<T>>(rois);
    const int32_t* cells = const_data<int32_t>(argmax);
    Real<T>* to = mutable_data<Real<T>>(grad_features);
    on_device(
        kRoiPool, grad.device(),
        [&] { kernels::cpu::roi_pool_backward(shape, from, boxes, cells, to, parallel); },
        [&](auto stream) {
          const at::Tensor scratch = deterministic_scratch(kernels::cuda::scratch_size(shape), grad.device());
          return kernels::cuda::roi_pool_backward(shape, from, boxes, cells, to,
                                                  data_or_null<int64_t>(scratch), stream);
        });
  });
  return grad_features.to(grad.scalar_type());
}

}  // namespace

at::Tensor roi_pool(const at::Tensor& features, const at::Tensor& rois, int64_t height, int64_t width,
                    double spatial_scale) {
  check_features_and_rois(kRoiPool, features, rois);
  TORCH_CHECK(features.size(2) * features.size(3) <= std::numeric_limits<int32_t>::max(), kRoiPool,
              ": features: expected fewer than 2^31 cells, got ", features.sizes());
  TORCH_CHECK(height > 0 && width > 0, kRoiPool, ": height, width: expected positive numbers, got ", height,
              ", ", width);
  TORCH_CHECK(spatial_scale > 0, kRoiPool, ": spatial_scale: expected a positive number, got ",
              spatial_scale);

  const at::MemoryFormat format = features.suggest_memory_format();
  const RoiPoolShape shape{.images = features.size(0),
                           .channels = features.size(1),
                           .height = features.size(2),
                           .width = features.size(3),
                           .rois = rois.size(0),
                           .out_height = height,
                           .out_width = width,
                           .spatial_scale = spatial_scale,
                           .channels_last = format == at::MemoryFormat::ChannelsLast};
  const at::Tensor boxes = rois.detach().to(real_type(features.scalar_type())).contiguous();
  const bool with_argmax = at::GradMode::is_enabled() && features.requires_grad();
  const Pooled pooled = forward(shape, features.contiguous(format), boxes, with_argmax);
  return join_graph({features},
                    {.op = kRoiPool,
                     .output = pooled.output,
                     .saved = {boxes, pooled.argmax},
                     .backward = [shape](const std::vector<at::Tensor>& saved, const at::Tensor& grad) {
                       return std::vector{backward(shape, grad, saved[0], saved[1])};
                     }});
}

}  // namespace rcnn::ops
