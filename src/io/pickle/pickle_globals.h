#pragma once

#include <string_view>

#include "io/pickle/pickle.h"

namespace rcnn::io::pickle {

/// A pickle in the making, and what is left of its allowance: instructions and copied items, so that a small
/// input cannot ask for much work or memory.
class Builder {
 public:
  Builder(size_t input_size, size_t work) : text_allowance_(4 * input_size), work_allowance_(work) {}

  Value* add(decltype(Value::data) data) { return &pickle_.values.emplace_back(Value{std::move(data)}); }
  Value* add(Storage storage) {
    return add(&std::as_const(pickle_.storages.emplace_back(std::move(storage))));
  }
  Value* add(Tensor tensor) { return add(&std::as_const(pickle_.tensors.emplace_back(std::move(tensor)))); }
  Value* add(Array array) { return add(&pickle_.arrays.emplace_back(std::move(array))); }
  Value* add(NumpyType type) { return add(&pickle_.types.emplace_back(type)); }

  /// Keeps a text that is not part of the input as it is. All of them together are at most a few
  /// times as long as the input: each came from another part of it.
  std::string_view keep(std::string text);

  /// The function or class of this name that is not on the list.
  const Global* unknown(const std::string& name);

  void charge(size_t work);

  Pickle take() { return std::move(pickle_); }

 private:
  Pickle pickle_;
  size_t text_allowance_;
  size_t work_allowance_;
};

/// What a pickle means by a name of Python's: a function or a class of the list, or one that is unknown.
const Global* find_global(Builder& builder, std::string_view module, std::string_view name);

/// What a REDUCE makes: `callee` of a tuple of arguments. Opaque where that is unknown here, or made of what
/// is.
Value* call(Builder& builder, const Value& callee, const Value& arguments);

/// The same of a class with keyword arguments (NEWOBJ_EX), which nothing on the list takes.
Value* call_with_keywords(Builder& builder, const Value& callee);

/// Gives an object its state (BUILD): arrays and numpy's types have one, those of dicts and of what is opaque
/// are not looked at.
void set_state(Value& object, const Value& state);

/// The storage that a persistent id of torch's means, or the class of a module.
Value* load_storage(Builder& builder, const Value& id);

}  // namespace rcnn::io::pickle
