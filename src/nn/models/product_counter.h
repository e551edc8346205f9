#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/record_function.h>
#include <c10/core/StorageImpl.h>
#include <torch/nn/module.h>

namespace rcnn::nn {

/// One convolution or matrix product.
struct Product {
  std::string weight;  ///< the parameter in it, "roi_heads.box_head.fc6.weight"; empty for none
  std::vector<int64_t> output;
  int64_t multiply_adds = 0;
};

/// Watches LibTorch's operators in this thread while it lives, one at a time, and writes down the products.
///
/// LibTorch's C++ modules have no hooks, so the parameter is found by its storage: that of the operand
/// itself, as with views of it, or that which it was computed from by operators that keep its size, as with a
/// frozen norm folded into a convolution's weights, or another type or memory format of them.
class ProductCounter {
 public:
  /// The module's parameters are those that are told apart.
  explicit ProductCounter(const torch::nn::Module& module);
  ~ProductCounter();
  ProductCounter(const ProductCounter&) = delete;
  ProductCounter& operator=(const ProductCounter&) = delete;

  const std::vector<Product>& products() const { return products_; }

 private:
  struct Call;
  struct Weight {
    std::string name;
    int64_t numel = 0;
    // Keeps the address from being used again, not the memory.
    c10::weak_intrusive_ptr<c10::StorageImpl> storage;
  };
  static std::unique_ptr<at::ObserverContext> started(const at::RecordFunction& function);
  static void ended(const at::RecordFunction& function, at::ObserverContext* context);
  void know(const at::Tensor& tensor, const std::string& name);
  const Weight* find(const at::Tensor& tensor) const;

  std::unordered_map<const c10::StorageImpl*, Weight> weights_;
  std::vector<Product> products_;
  at::CallbackHandle handle_ = 0;
};

}  // namespace rcnn::nn
