#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

/// What an op's kernels computed and how its gradient is computed.
struct OnceDifferentiable {
  const char* op;
  at::Tensor output;
  std::vector<at::Tensor>
      saved;  ///< what the backward pass reads; changing one in place before it is an error
  std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& saved, const at::Tensor& grad_output)>
      backward;
};

/// The output, joined to the graph of `inputs`: backward gives the gradient of each. A second derivative is
/// an error, not a silent zero.
at::Tensor join_graph(const std::vector<at::Tensor>& inputs, const OnceDifferentiable& result);

}  // namespace rcnn::ops
