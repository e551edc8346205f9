#include "ops/kernels/deform_conv.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <rcnn/ops/deform_conv.h>

#include "ops/device.h"
#include "ops/huge_pages.h"
#include "ops/once_differentiable.h"
#include "ops/parallel.h"
#include "ops/products.h"

namespace rcnn::ops {
namespace {

using kernels::DeformConvShape;
using kernels::Positions;
using kernels::Real;

constexpr const char* kDeformConv = "deform_conv";

// ---- the operator, on tensors as the kernels want them

/// One call, as the backward pass remembers it.
struct DeformCall {
  DeformConvShape shape;
  int64_t out_channels;

  int64_t group_channels() const { return shape.channels / shape.groups; }
  int64_t group_out_channels() const { return out_channels / shape.groups; }
  int64_t column_size() const { return shape.taps() * group_channels(); }
};

/// What of the inputs the backward pass gives gradients of.
struct Wanted {
  bool input, offset, weight, bias;
};

/// Everything is dense; Real is what is computed in.
struct Operands {
  at::Tensor map;     ///< [N, H, W, C]
  at::Tensor offset;  ///< Real [N, H', W', G, kh, kw, 2]
  at::Tensor weight;  ///< Real [O, kh * kw * C / groups]
  at::Tensor bias;    ///< Real [O] or undefined
};

/// Calls body(positions) for pieces of the output whose columns are as many bytes as we make at a time.
template <class Body>
void for_each_piece(const DeformCall& call, const at::Tensor& offset, const Body& body) {
  const int64_t most_bytes = int64_t{1} << (offset.is_cpu() ? 24 : 27);
  const int64_t of_position =
      std::max<int64_t>(call.shape.groups * call.column_size(), 1) * offset.element_size();
  const int64_t count = call.shape.positions(), most = std::max<int64_t>(most_bytes / of_position, 1);
  const int64_t pieces = (count + most - 1) / most;
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t first = count * i / pieces;
    body(Positions{first, count * (i + 1) / pieces - first});
  }
}

/// Real [groups, positions, kh * kw * C / groups] for the largest piece.
at::Tensor empty_columns(const DeformCall& call, const at::Tensor& offset) {
  int64_t most = 0;
  for_each_piece(call, offset, [&](Positions positions) { most = std::max(most, positions.count); });
  return empty_in_huge_pages({call.shape.groups * most * call.column_size()}, offset.options(),
                             at::MemoryFormat::Contiguous);
}

/// Those of a group at these positions, [count, kh * kw * C / groups].
at::Tensor columns_of_group(const DeformCall& call, const at::Tensor& columns, Positions positions,
                            int64_t group) {
  const int64_t size = positions.count * call.column_size();
  return columns.narrow(0, group * size, size).view({positions.count, call.column_size()});
}

/// The group's part of rows of output channels [positions, O].
at::Tensor rows_of_group(const DeformCall& call, const at::Tensor& rows, Positions positions, int64_t group) {
  return rows.narrow(0, positions.first, positions.count)
      .narrow(1, group * call.group_out_channels(), call.group_out_channels());
}

/// Of the weight or the bias.
at::Tensor output_channels_of_group(const DeformCall& call, const at::Tensor& tensor, int64_t group) {
  return tensor.narrow(0, group * call.group_out_channels(), call.group_out_channels());
}

void fill_columns(const DeformCall& call, const Operands& operands, Positions positions,
                  const at::Tensor& columns) {
  with_element_type(operands.map.scalar_type(), [&]<class T>(T) {
    const T* map = const_data<T>(operands.map);
    const auto* offsets = const_data<Real<T>>(operands.offset);
    auto* to = mutable_data<Real<T>>(columns);
    on_device(
        kDeformConv, columns.device(),
        [&] { kernels::cpu::deform_conv_columns(call.shape, offsets, map, positions, to, parallel); },
        [&](auto stream) {
          return kernels::cuda::deform_conv_columns(call.shape, offsets, map, positions, to, stream);
        });
  });
}

/// Real [N * H' * W', O].
at::Tensor forward(const DeformCall& call, const Operands& operands) {
  const at::Tensor output = empty_in_huge_pages({call.shape.positions(), call.out_channels},
                                                operands.offset.options(), at::MemoryFormat::Contiguous);
  const at::Tensor columns = empty_columns(call, operands.offset);
  for_each_piece(call, operands.offset, [&](Positions positions) {
    fill_columns(call, operands, positions, columns);
    for (int64_t group = 0; group < call.shape.groups; ++group) {
      const at::Tensor bias =
          operands.bias.defined() ? output_channels_of_group(call, operands.bias, group) : at::Tensor();
      multiply(rows_of_group(call, output, positions, group),
               columns_of_group(call, columns, positions, group),
               output_channels_of_group(call, operands.weight, group).t(), bias);
    }
  });
  return output;
}

/// As the operands, those that are wanted.
struct Gradients {
  at::Tensor map, offset, weight, bias;
};

void spread(const DeformCall& call, const Operands& operands, Positions positions,
            const at::Tensor& grad_columns, const Gradients& gradients) {
  with_element_type(operands.map.scalar_type(), [&]<class T>(T) {
    const T* map = const_data<T>(operands.map);
    const auto* offsets = const_data<Real<T>>(operands.offset);
    const auto* from = const_data<Real<T>>(grad_columns);
    if (gradients.offset.defined()) {
      auto* to = mutable_data<Real<T>>(gradients.offset);
      on_device(
          kDeformConv, grad_columns.device(),
          [&] {
            kernels::cpu::deform_conv_backward_offsets(call.shape, offsets, map, positions, from, to,
                                                       parallel);
          },
          [&](auto stream) {
            return kernels::cuda::deform_conv_backward_offsets(call.shape, offsets, map, positions, from, to,
                                                               stream);
          });
    }
    if (gradients.map.defined()) {
      auto* to = mutable_data<Real<T>>(gradients.map);
      on_device(
          kDeformConv, grad_columns.device(),
          [&] {
            kernels::cpu::deform_conv_backward_features(call.shape, offsets, positions, from, to, parallel);
          },
          [&](auto stream) {
            const at::Tensor scratch =
                deterministic_scratch(kernels::cuda::scratch_size(call.shape), grad_columns.device());
            return kernels::cuda::deform_conv_backward_features(call.shape, offsets, positions, from, to,
                                                                data_or_null<int64_t>(scratch), stream);
          });
    }
  });
}

/// grad: Real [N * H' * W', O], dense.
Gradients backward(const DeformCall& call, const Operands& operands, const at::Tensor& grad,
                   const Wanted& wanted) {
  const auto zeros = [&](const at::Tensor& like) { return at::zeros(like.sizes(), grad.options()); };
  Gradients gradients;
  if (wanted.input) gradients.map = zeros(operands.map);
  if (wanted.offset) gradients.offset = zeros(operands.offset);
  if (wanted.weight) gradients.weight = zeros(operands.weight);
  if (wanted.bias) gradients.bias = sum_of_rows(grad);
  if (!wanted.input && !wanted.offset && !wanted.weight) return gradients;

  const at::Tensor columns = empty_columns(call, operands.offset);
  for_each_piece(call, operands.offset, [&](Positions positions) {
    if (wanted.input || wanted.offset) {
      for (int64_t group = 0; group < call.shape.groups; ++group) {
        multiply(columns_of_group(call, columns, positions, group),
                 rows_of_group(call, grad, positions, group),
                 output_channels_of_group(call, operands.weight, group), {});
      }
      spread(call, operands, positions, columns, gradients);
    }
    if (wanted.weight) {
      fill_columns(call, operands, positions, columns);
      for (int64_t group = 0; group < call.shape.groups; ++group) {
        const at::Tensor sum = output_channels_of_group(call, gradients.weight, group);
        multiply(sum, rows_of_group(call, grad, positions, group).t(),
                 columns_of_group(call, columns, positions, group), sum);
      }
    }
  });
  return gradients;
}

// ---- the operator, on a caller's tensors

void check_operand(const char* name, const at::Tensor& tensor, const at::Tensor& input) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == input.scalar_type(), kDeformConv,
              ": ", name, ": expected float32 or the input's ", input.scalar_type(), ", got ",
              tensor.scalar_type());
  TORCH_CHECK(tensor.device() == input.device(), kDeformConv, ": ", name, ": expected the input's device ",
              input.device(), ", got ", tensor.device());
}

void check_pair(const char* name, at::IntArrayRef pair, int64_t least) {
  TORCH_CHECK(pair.size() == 2 && pair[0] >= least && pair[1] >= least, kDeformConv, ": options.", name,
              ": expected two numbers of ", least, " or more, got ", pair);
}

DeformCall check(const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight,
                 const at::Tensor& bias, at::IntArrayRef stride, at::IntArrayRef padding,
                 at::IntArrayRef dilation, int64_t groups) {
  TORCH_CHECK(input.dim() == 4, kDeformConv, ": input: expected [N, C, H, W], got ", input.sizes());
  TORCH_CHECK(is_supported(input.scalar_type()), kDeformConv,
              ": input: expected float32, float64 or bfloat16, got ", input.scalar_type());
  check_pair("stride", stride, 1);
  check_pair("padding", padding, 0);
  check_pair("dilation", dilation, 1);
  const int64_t channels = input.size(1);
  TORCH_CHECK(groups > 0 && channels % groups == 0, kDeformConv, ": options.groups: expected a divisor of ",
              channels, " channels, got ", groups);
  TORCH_CHECK(
      weight.dim() == 4 && weight.size(1) == channels / groups && weight.size(2) > 0 && weight.size(3) > 0,
      kDeformConv, ": weight: expected [O, ", channels / groups, ", kh, kw], got ", weight.sizes());
  TORCH_CHECK(weight.size(0) % groups == 0, kDeformConv, ": weight: expected a multiple of ", groups,
              " groups as output channels, got ", weight.sizes());
  check_operand("weight", weight, input);
  if (bias.defined()) {
    TORCH_CHECK(bias.dim() == 1 && bias.size(0) == weight.size(0), kDeformConv, ": bias: expected [",
                weight.size(0), "], got ", bias.sizes());
    check_operand("bias", bias, input);
  }

  std::array<int64_t, 2> out;
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t padded = input.size(2 + axis) + 2 * padding[axis],
                  kernel = dilation[axis] * (weight.size(2 + axis) - 1) + 1;
    TORCH_CHECK(padded >= kernel, kDeformConv, ": input: expected ", axis == 0 ? "a height" : "a width",
                " of ", kernel - 2 * padding[axis], " or more for this kernel, padding and dilation, got ",
                input.sizes());
    out[axis] = (padded - kernel) / stride[axis] + 1;
  }
  const int64_t of_group = 2 * weight.size(2) * weight.size(3);
  TORCH_CHECK(offset.dim() == 4 && offset.size(0) == input.size(0) && offset.size(1) > 0 &&
                  offset.size(1) % of_group == 0 && offset.size(2) == out[0] && offset.size(3) == out[1],
              kDeformConv, ": offset: expected [", input.size(0), ", ", of_group, " * G, ", out[0], ", ",
              out[1], "], got ", offset.sizes());
  const int64_t offset_groups = offset.size(1) / of_group;
  TORCH_CHECK(channels % offset_groups == 0, kDeformConv, ": offset: expected groups that divide ", channels,
              " channels, got ", offset_groups, " of ", of_group, " numbers");
  check_operand("offset", offset, input);
  return {.shape = {.images = input.size(0),
                    .channels = channels,
                    .height = input.size(2),
                    .width = input.size(3),
                    .out_height = out[0],
                    .out_width = out[1],
                    .kernel_height = weight.size(2),
                    .kernel_width = weight.size(3),
                    .stride_y = stride[0],
                    .stride_x = stride[1],
                    .padding_y = padding[0],
                    .padding_x = padding[1],
                    .dilation_y = dilation[0],
                    .dilation_x = dilation[1],
                    .groups = groups,
                    .offset_groups = offset_groups},
          .out_channels = weight.size(0)};
}

/// [A, B, H, W] as it lies in channels_last memory: dense [A, H, W, B].
at::Tensor channels_last(const at::Tensor& tensor) {
  return tensor.permute({0, 2, 3, 1}).contiguous();
}

/// What a gradient has to look like.
struct Form {
  explicit Form(const at::Tensor& tensor)
      : sizes(tensor.sizes().vec()), type(tensor.scalar_type()), format(tensor.suggest_memory_format()) {}

  /// From channels_last memory.
  at::Tensor of(const at::Tensor& gradient) const {
    const at::Tensor last = gradient.view({sizes[0], sizes[2], sizes[3], sizes[1]});
    return last.permute({0, 3, 1, 2}).to(type).contiguous(format);
  }

  std::vector<int64_t> sizes;
  at::ScalarType type;
  at::MemoryFormat format;
};

at::Tensor convolve(const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight,
                    const std::optional<at::Tensor>& optional_bias, at::IntArrayRef stride,
                    at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  const at::Tensor bias = optional_bias.value_or(at::Tensor());
  const DeformCall call = check(input, offset, weight, bias, stride, padding, dilation, groups);
  check_device(kDeformConv, input.device());
  const at::ScalarType real = real_type(input.scalar_type());
  // Part of the graph of what they come from: a second derivative in them has to meet the refusal.
  const Operands operands{
      .map = channels_last(input),
      .offset = channels_last(offset.to(real)),
      .weight = channels_last(weight.to(real)).view({call.out_channels, call.column_size()}),
      .bias = bias.defined() ? bias.to(real) : bias};
  at::Tensor output;
  {
    const at::NoGradGuard no_gradient;
    const DeformConvShape& shape = call.shape;
    output = forward(call, operands)
                 .view({shape.images, shape.out_height, shape.out_width, call.out_channels})
                 .permute({0, 3, 1, 2})
                 .to(input.scalar_type())
                 .contiguous(input.suggest_memory_format());
  }
  const auto learns = [](const at::Tensor& tensor) {
    return at::GradMode::is_enabled() && tensor.defined() && tensor.requires_grad();
  };
  const Wanted wanted{learns(input), learns(offset), learns(weight), learns(bias)};
  std::vector<at::Tensor> inputs;
  for (const at::Tensor& tensor : {input, offset, weight, bias})
    if (learns(tensor)) inputs.push_back(tensor);
  const auto differentiate = [call, wanted, of_input = Form(input), of_offset = Form(offset),
                              of_weight = Form(weight),
                              bias_type = bias.defined() ? bias.scalar_type() : real](
                                 const std::vector<at::Tensor>& saved, const at::Tensor& grad_output) {
    const Operands operands{.map = saved[0], .offset = saved[1], .weight = saved[2], .bias = {}};
    const at::Tensor grad = channels_last(grad_output.to(operands.offset.scalar_type()))
                                .view({call.shape.positions(), call.out_channels});
    const Gradients found = backward(call, operands, grad, wanted);
    std::vector<at::Tensor> gradients;
    if (wanted.input) gradients.push_back(of_input.of(found.map));
    if (wanted.offset) gradients.push_back(of_offset.of(found.offset));
    if (wanted.weight) gradients.push_back(of_weight.of(found.weight));
    if (wanted.bias) gradients.push_back(found.bias.to(bias_type));
    return gradients;
  };
  return join_graph(inputs, {.op = kDeformConv,
                             .output = output,
                             .saved = {operands.map, operands.offset, operands.weight},
                             .backward = differentiate});
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rcnn, library) {
  library.def(
      "deform_conv(Tensor input, Tensor offset, Tensor weight, Tensor? bias=None, int[2] stride=1, "
      "int[2] padding=0, int[2] dilation=1, int groups=1) -> Tensor",
      convolve);
}

at::Tensor deform_conv(const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight,
                       const at::Tensor& bias, const DeformConvOptions& options) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("rcnn::deform_conv", "").typed<decltype(convolve)>();
  return op.call(input, offset, weight, bias.defined() ? std::optional(bias) : std::nullopt, options.stride,
                 options.padding, options.dilation, options.groups);
}

}  // namespace rcnn::ops
