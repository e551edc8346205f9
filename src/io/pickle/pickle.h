#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <rcnn/export.h>

namespace rcnn::io::pickle {

class Builder;
struct Value;
using Values = std::vector<Value*>;

/// A function or a class that a pickle names. `call` is what stands for it here; none: calling it makes an
/// object that is opaque.
struct Global {
  std::string_view name;  ///< "torch._utils._rebuild_tensor_v2"
  Value* (*call)(Builder&, const Values& arguments) = nullptr;
  bool known = true;  ///< whether it is on the list of pickle_globals.cpp
};

struct None {};

/// A str: of Python 3, in UTF-8, or of Python 2, which is any bytes.
struct Text {
  std::string_view bytes;
};

struct Bytes {
  std::string_view bytes;
};

/// An integer beyond int64, as the pickle has it: two's complement, little-endian; of protocol 0, digits.
struct LargeInteger {
  std::string_view bytes;
};

struct List {
  Values items;
};

struct Tuple {
  Values items;
};

struct Dict {
  std::vector<std::pair<Value*, Value*>> items;
};

/// What no weights are read from, and what is not looked into.
struct Opaque {
  /// Of an object: the class or the function that would have to run to make it. Empty for what Python itself
  /// and torch have: sets, complex numbers, devices.
  std::string_view maker = {};
};

/// What torch's pickles call a persistent id: a storage that lies elsewhere in the file.
struct Storage {
  struct View {
    std::string_view key;
    int64_t offset = 0;
    int64_t count = 0;
  };
  std::string_view type;  ///< "torch.FloatStorage"
  std::string_view key;
  int64_t count = 0;         ///< elements
  std::optional<View> view;  ///< the part of it that is meant (the legacy format alone)
};

/// A view of a storage, of which nothing is checked yet.
struct Tensor {
  const Storage* storage = nullptr;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  std::string_view type;  ///< "torch.uint16" where it is not the storage's
  bool marked = false;    ///< negated or conjugated lazily
};

struct NumpyType {
  std::string_view name;  ///< "f4"
  bool big_endian = false;
};

/// A numpy array or scalar, of which nothing is checked yet.
struct Array {
  const NumpyType* type = nullptr;
  std::vector<int64_t> shape;  ///< as the data lie, the last axis without a stride
  std::vector<int64_t> axes;   ///< what it is transposed by; empty for as it lies
  std::string_view data;
};

/// The large kinds lie beside the values, which are many.
struct Value {
  std::variant<None, bool, int64_t, double, Text, Bytes, LargeInteger, List, Tuple, Dict, Opaque,
               const Global*, const Storage*, const Tensor*, Array*, NumpyType*>
      data;
};

/// Owns what a pickle holds. Values refer to each other by pointer, possibly in circles. Texts and bytes are
/// views of the input, which has to outlive this, or of `texts`, as the names of the unknown are.
struct Pickle {
  std::deque<Value> values;
  std::deque<Storage> storages;
  std::deque<Tensor> tensors;
  std::deque<Array> arrays;
  std::deque<NumpyType> types;
  std::deque<std::string> texts;
  std::map<std::string_view, Global> unknown;  ///< functions and classes beyond the list
  Value* root = nullptr;
  size_t size = 0;  ///< bytes of the input that it took
};

template <class T>
const T* get(const Value& value) {
  return std::get_if<T>(&value.data);
}

/// Of an object that is opaque because its class is unknown, and of such a class, the name; empty for all
/// other values.
inline std::string_view unknown_maker(const Value& value) {
  if (const auto* opaque = get<Opaque>(value)) return opaque->maker;
  const auto* const* global = std::get_if<const Global*>(&value.data);
  return global == nullptr || (*global)->known ? std::string_view() : (*global)->name;
}

/// As many as a file of weights has, whose state dict takes about 50 for each tensor.
inline constexpr size_t kMostInstructions = 5'000'000;

/// Reads the pickle that `input` begins with, of protocol 0 to 5. Nothing of Python runs: the only objects
/// are those above, and what a class or a function beyond the list of pickle_globals.cpp would make is
/// Opaque, whatever it is given. Memory is in proportion to the input, of which at most so many instructions
/// are read. Throws Refusal.
RCNN_EXPORT Pickle load(std::string_view input, size_t most_instructions = kMostInstructions);

}  // namespace rcnn::io::pickle
