#include "nn/models/product_counter.h"

#include <memory>
#include <string_view>
#include <utility>

#include <c10/util/Exception.h>
#include <c10/util/accumulate.h>

namespace rcnn::nn {
namespace {

thread_local ProductCounter* counting = nullptr;  // callbacks are plain functions

/// An operator that multiplies, and which of its operands may hold parameters.
struct Operator {
  std::string_view name;
  size_t first, second;
};

// What others, such as conv2d, linear and matmul, come down to.
constexpr Operator kOperators[] = {
    {"aten::convolution", 0, 1}, {"aten::mm", 0, 1},     {"aten::addmm", 1, 2},      {"aten::bmm", 0, 1},
    {"aten::baddbmm", 1, 2},     {"aten::addbmm", 1, 2}, {"rcnn::deform_conv", 0, 2}};

const Operator* operator_of(const at::RecordFunction& function) {
  for (const auto& known : kOperators) {
    if (known.name == function.name()) return &known;
  }
  return nullptr;
}

/// The first is for each number of the output, the second for all of it.
std::pair<int64_t, int64_t> multiply_adds(const Operator& op, at::ArrayRef<c10::IValue> inputs) {
  const auto& first = inputs[op.first].toTensor();
  const bool convolution = op.name == "aten::convolution";
  if (!convolution && op.name != "rcnn::deform_conv") return {first.size(-1), 0};
  // Weights are [out, in / groups, ...], or [in, out / groups, ...] when transposed.
  const auto a_place = c10::multiply_integers(inputs[op.second].toTensor().sizes().slice(1));
  const bool transposed = convolution && inputs[6].toBool();
  return transposed ? std::pair{int64_t{0}, first.numel() * a_place} : std::pair{a_place, int64_t{0}};
}

}  // namespace

/// What has to be kept from the start of an operator to its end.
struct ProductCounter::Call : at::ObserverContext {
  const Weight* weight = nullptr;  // among the operands
  bool product = false;
  std::pair<int64_t, int64_t> multiply_adds = {};
};

ProductCounter::ProductCounter(const torch::nn::Module& module) {
  TORCH_CHECK(!counting, "products are being counted already");
  for (const auto& item : module.named_parameters()) {
    if (item.value().dim() > 1) know(item.value(), item.key());
  }
  counting = this;
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(started, ended)
                                           .needsInputs(true)
                                           .needsOutputs(true)
                                           .scopes({at::RecordScope::FUNCTION}));
}

ProductCounter::~ProductCounter() {
  at::removeCallback(handle_);
  counting = nullptr;
}

void ProductCounter::know(const at::Tensor& tensor, const std::string& name) {
  const auto& storage = tensor.storage();
  weights_.insert_or_assign(storage.unsafeGetStorageImpl(),
                            Weight{name, tensor.numel(), storage.getWeakStorageImpl()});
}

const ProductCounter::Weight* ProductCounter::find(const at::Tensor& tensor) const {
  if (!tensor.defined() || !tensor.has_storage()) return nullptr;
  const auto found = weights_.find(tensor.storage().unsafeGetStorageImpl());
  return found == weights_.end() || found->second.numel != tensor.numel() ? nullptr : &found->second;
}

std::unique_ptr<at::ObserverContext> ProductCounter::started(const at::RecordFunction& function) {
  auto call = std::make_unique<Call>();
  const auto inputs = function.inputs();
  const auto* op = operator_of(function);
  if (op) {
    call->product = true;
    call->multiply_adds = multiply_adds(*op, inputs);
  }
  for (size_t i = inputs.size(); i-- > 0 && !call->weight;) {  // weights are the later operands
    const bool operand = !op || i == op->first || i == op->second;
    if (operand && inputs[i].isTensor()) call->weight = counting->find(inputs[i].toTensor());
  }
  return call;
}

void ProductCounter::ended(const at::RecordFunction& function, at::ObserverContext* context) {
  const auto& call = static_cast<const Call&>(*context);
  if (function.outputs().empty() || !function.outputs().front().isTensor()) return;
  const auto output = function.outputs().front().toTensor();
  if (!output.defined() || !output.has_storage()) return;
  if (call.product) {
    const auto& [a_number, altogether] = call.multiply_adds;
    counting->products_.push_back({.weight = call.weight ? call.weight->name : "",
                                   .output = output.sizes().vec(),
                                   .multiply_adds = a_number * output.numel() + altogether});
  } else if (call.weight && output.numel() == call.weight->numel && !counting->find(output)) {
    counting->know(output, call.weight->name);
  }
}

}  // namespace rcnn::nn
