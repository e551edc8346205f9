#include "ops/kernels/roi_align.h"

#include <ATen/core/grad_mode.h>

#include <rcnn/ops/roi_align.h>

#include "ops/device.h"
#include "ops/huge_pages.h"
#include "ops/once_differentiable.h"
#include "ops/parallel.h"
#include "ops/roi_checks.h"

namespace rcnn::ops {
namespace {

using kernels::Pyramid;
using kernels::Real;
using kernels::RoiAlignSpec;

constexpr const char* kRoiAlign = "roi_align";

/// One call, as the backward pass remembers it.
struct Call {
  std::vector<std::vector<int64_t>> level_sizes;  ///< [N, C, H, W] each
  std::vector<double> spatial_scales;
  RoiAlignOptions options;
  at::MemoryFormat format;
};

template <class Cell>
Pyramid<Cell> pyramid_of(const Call& call, const std::vector<at::Tensor>& maps) {
  Pyramid<Cell> pyramid{.levels = {},
                        .level_count = static_cast<int>(maps.size()),
                        .images = call.level_sizes[0][0],
                        .channels = call.level_sizes[0][1],
                        .channels_last = call.format == at::MemoryFormat::ChannelsLast};
  for (size_t i = 0; i < maps.size(); ++i) {
    Cell* cells;
    if constexpr (std::is_const_v<Cell>) {
      cells = const_data<std::remove_const_t<Cell>>(maps[i]);
    } else {
      cells = mutable_data<Cell>(maps[i]);
    }
    pyramid.levels[i] = {cells, maps[i].size(2), maps[i].size(3), call.spatial_scales[i]};
  }
  return pyramid;
}

template <class T>
RoiAlignSpec<T> spec_of(const Call& call, const at::Tensor& rois, const at::Tensor& levels) {
  return {.rois = const_data<T>(rois),
          .levels = levels.defined() ? const_data<int64_t>(levels) : nullptr,
          .roi_count = rois.size(0),
          .out_height = call.options.height,
          .out_width = call.options.width,
          .sampling_ratio = static_cast<int>(call.options.sampling_ratio),
          .aligned = call.options.aligned};
}

at::Tensor forward(const Call& call, const std::vector<at::Tensor>& features, const at::Tensor& rois,
                   const at::Tensor& levels) {
  const at::Tensor output =
      empty_in_huge_pages({rois.size(0), features[0].size(1), call.options.height, call.options.width},
                          features[0].options(), call.format);
  with_element_type(output.scalar_type(), [&]<class T>(T) {
    const auto spec = spec_of<Real<T>>(call, rois, levels);
    const auto pyramid = pyramid_of<const T>(call, features);
    T* to = mutable_data<T>(output);
    on_device(
        kRoiAlign, output.device(), [&] { kernels::cpu::roi_align_forward(spec, pyramid, to, parallel); },
        [&](auto stream) { return kernels::cuda::roi_align_forward(spec, pyramid, to, stream); });
  });
  return output;
}

std::vector<at::Tensor> backward(const Call& call, const at::Tensor& grad_output, const at::Tensor& rois,
                                 const at::Tensor& levels) {
  const at::Tensor grad = grad_output.contiguous(call.format);
  std::vector<at::Tensor> grad_features;
  for (const auto& sizes : call.level_sizes)
    grad_features.push_back(empty_in_huge_pages(sizes, rois.options(), call.format));
  with_element_type(grad.scalar_type(), [&]<class T>(T) {
    const auto spec = spec_of<Real<T>>(call, rois, levels);
    const auto pyramid = pyramid_of<Real<T>>(call, grad_features);
    const T* from = const_data<T>(grad);
    on_device(
        kRoiAlign, grad.device(), [&] { kernels::cpu::roi_align_backward(spec, from, pyramid, parallel); },
        [&](auto stream) {
          const at::Tensor scratch =
              deterministic_scratch(kernels::cuda::scratch_size(pyramid), grad.device());
          return kernels::cuda::roi_align_backward(spec, from, pyramid, data_or_null<int64_t>(scratch),
                                                   stream);
        });
  });
  for (at::Tensor& map : grad_features) map = map.to(grad.scalar_type());
  return grad_features;
}

/// The gradient of the RoIs, [K, 5]. The kernels read channels_last, which is how a network's maps come.
at::Tensor backward_of_rois(Call call, std::vector<at::Tensor> maps, const at::Tensor& grad_output,
                            const at::Tensor& rois, const at::Tensor& levels) {
  call.format = at::MemoryFormat::ChannelsLast;
  for (at::Tensor& map : maps) map = map.contiguous(call.format);
  const at::Tensor grad = grad_output.contiguous(call.format), grad_rois = rois.new_empty(rois.sizes());
  with_element_type(grad.scalar_type(), [&]<class T>(T) {
    const auto spec = spec_of<Real<T>>(call, rois, levels);
    const auto pyramid = pyramid_of<const T>(call, maps);
    const T* from = const_data<T>(grad);
    auto* to = mutable_data<Real<T>>(grad_rois);
    on_device(
        kRoiAlign, grad.device(),
        [&] { kernels::cpu::roi_align_backward_rois(spec, pyramid, from, to, parallel); },
        [&](auto stream) { return kernels::cuda::roi_align_backward_rois(spec, pyramid, from, to, stream); });
  });
  return grad_rois;
}

void check(std::span<const at::Tensor> features, const at::Tensor& rois,
           std::span<const double> spatial_scales, const RoiAlignOptions& options) {
  TORCH_CHECK(!features.empty() && features.size() <= kernels::kMaxLevels, kRoiAlign,
              ": features: expected 1 to ", kernels::kMaxLevels, " levels, got ", features.size());
  TORCH_CHECK(spatial_scales.size() == features.size(), kRoiAlign,
              ": spatial_scales: expected one for each of ", features.size(), " levels, got ",
              spatial_scales.size());
  for (const at::Tensor& level : features) {
    check_features_and_rois(kRoiAlign, level, rois);
    const at::Tensor& first = features[0];
    TORCH_CHECK(level.size(0) == first.size(0) && level.size(1) == first.size(1), kRoiAlign,
                ": features: expected the first level's N and C in every level, got ", first.sizes(), " and ",
                level.sizes());
    TORCH_CHECK(level.scalar_type() == first.scalar_type(), kRoiAlign,
                ": features: expected the first level's dtype in every level, got ", first.scalar_type(),
                " and ", level.scalar_type());
  }
  for (const double scale : spatial_scales)
    TORCH_CHECK(scale > 0, kRoiAlign, ": spatial_scale: expected a positive number, got ", scale);
  TORCH_CHECK(options.height > 0 && options.width > 0, kRoiAlign,
              ": options.height, width: expected positive numbers, got ", options.height, ", ",
              options.width);
  TORCH_CHECK(options.sampling_ratio >= 0 && options.sampling_ratio <= 1024, kRoiAlign,
              ": options.sampling_ratio: expected 0 to 1024, got ", options.sampling_ratio);
}

/// `levels` undefined: all RoIs on the only level.
at::Tensor align(std::span<const at::Tensor> features, const at::Tensor& rois, const at::Tensor& levels,
                 std::span<const double> spatial_scales, const RoiAlignOptions& options) {
  check(features, rois, spatial_scales, options);
  Call call{.level_sizes = {},
            .spatial_scales = {spatial_scales.begin(), spatial_scales.end()},
            .options = options,
            .format = features[0].suggest_memory_format()};
  std::vector<at::Tensor> maps;
  for (const at::Tensor& level : features) {
    call.level_sizes.push_back(level.sizes().vec());
    maps.push_back(level.contiguous(call.format));
  }
  const at::Tensor boxes = rois.detach().to(real_type(features[0].scalar_type())).contiguous();
  const at::Tensor output = forward(call, maps, boxes, levels);
  std::vector<at::Tensor> inputs(features.begin(), features.end()), saved = {boxes, levels};
  const bool rois_learn = at::GradMode::is_enabled() && rois.requires_grad();
  if (rois_learn) {
    inputs.push_back(rois);
    saved.insert(saved.end(), maps.begin(), maps.end());
  }
  const auto differentiate = [call, rois_learn, rois_type = rois.scalar_type()](
                                 const std::vector<at::Tensor>& saved, const at::Tensor& grad) {
    auto gradients = backward(call, grad, saved[0], saved[1]);
    if (rois_learn) {
      gradients.push_back(
          backward_of_rois(call, {saved.begin() + 2, saved.end()}, grad, saved[0], saved[1]).to(rois_type));
    }
    return gradients;
  };
  return join_graph(inputs, {.op = kRoiAlign, .output = output, .saved = saved, .backward = differentiate});
}

}  // namespace

at::Tensor roi_align(const at::Tensor& features, const at::Tensor& rois, double spatial_scale,
                     const RoiAlignOptions& options) {
  return align({&features, 1}, rois, {}, {&spatial_scale, 1}, options);
}

at::Tensor roi_align(std::span<const at::Tensor> features, const at::Tensor& rois, const at::Tensor& levels,
                     std::span<const double> spatial_scales, const RoiAlignOptions& options) {
  TORCH_CHECK(rois.dim() == 2 && levels.dim() == 1 && levels.size(0) == rois.size(0), kRoiAlign,
              ": levels: expected [K] for rois [K, 5], got ", levels.sizes(), " and ", rois.sizes());
  TORCH_CHECK(levels.scalar_type() == at::kLong, kRoiAlign, ": levels: expected int64, got ",
              levels.scalar_type());
  TORCH_CHECK(levels.device() == rois.device(), kRoiAlign, ": levels: expected the RoIs' device ",
              rois.device(), ", got ", levels.device());
  return align(features, rois, levels.contiguous(), spatial_scales, options);
}

}  // namespace rcnn::ops
