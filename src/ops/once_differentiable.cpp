#include "ops/once_differentiable.h"

#include <algorithm>
#include <iterator>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace rcnn::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// An op's backward function as an autograd context can hold it.
struct Backward : torch::CustomClassHolder {
  explicit Backward(const OnceDifferentiable& result) : op(result.op), compute(result.backward) {}
  const char* op;
  decltype(OnceDifferentiable::backward) compute;
};

/// The backward pass as a node of its own, so that differentiating it meets a refusal. A gradient may depend
/// on what was saved besides the output's gradient: each that learns is an input.
class BackwardNode : public torch::autograd::Function<BackwardNode> {
 public:
  static variable_list forward(AutogradContext* context, at::TensorList, const at::Tensor& grad_output,
                               const Backward* backward, const variable_list& saved) {
    context->saved_data["op"] = backward->op;
    return backward->compute(saved, grad_output);
  }

  static variable_list backward(AutogradContext* context, const variable_list&) {
    TORCH_CHECK(false, context->saved_data["op"].toStringRef(), ": double backward is not supported");
  }
};

class ForwardNode : public torch::autograd::Function<ForwardNode> {
 public:
  // Autograd looks for its inputs among arguments that are a Tensor or a TensorList, not a vector.
  static at::Tensor forward(AutogradContext* context, at::TensorList, const OnceDifferentiable& result) {
    context->save_for_backward(result.saved);
    context->saved_data["backward"] = c10::IValue::make_capsule(c10::make_intrusive<Backward>(result));
    return result.output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto capsule = context->saved_data["backward"].toCapsule();
    const variable_list saved = context->get_saved_variables();
    variable_list learning;
    std::copy_if(saved.begin(), saved.end(), std::back_inserter(learning),
                 [](const at::Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); });
    variable_list gradients = BackwardNode::apply(at::TensorList(learning), grad_outputs[0],
                                                  static_cast<const Backward*>(capsule.get()), saved);
    gradients.emplace_back();  // forward's second argument is no tensor
    return gradients;
  }
};

}  // namespace

at::Tensor join_graph(const std::vector<at::Tensor>& inputs, const OnceDifferentiable& result) {
  return ForwardNode::apply(at::TensorList(inputs), result);
}

}  // namespace rcnn::ops
