#include "io/pickle/pickle_globals.h"

#include <algorithm>
#include <array>

#include <spdlog/fmt/fmt.h>

#include "io/pickle/pickle_arguments.h"
#include "io/pickle/pickle_numpy.h"
#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::io::pickle {
namespace {

// Python's own types

Value* make_dict(Builder& builder, const Values& arguments) {
  need_count(arguments, 0, 1);
  Dict dict;
  if (!arguments.empty()) {
    if (const auto* other = get<Dict>(*arguments[0])) {
      builder.charge(other->items.size());
      dict = *other;
    } else if (const Values* pairs = items_of(*arguments[0])) {  // as Python 2 writes an OrderedDict
      builder.charge(pairs->size());
      for (const Value* pair : *pairs) {
        const Values* const both = items_of(*pair);
        if (both == nullptr || both->size() != 2) wrong("an item of a dict is no pair");
        dict.items.emplace_back((*both)[0], (*both)[1]);
      }
    } else {
      wrong("a dict is made of what is none");
    }
  }
  return builder.add(std::move(dict));
}

Value* make_default_dict(Builder& builder, const Values& arguments) {
  need_count(arguments, 0, 1);  // the factory, which only a lookup would call
  return builder.add(Dict{});
}

template <class Sequence>
Value* make_sequence(Builder& builder, const Values& arguments) {
  need_count(arguments, 0, 1);
  Sequence sequence;
  if (!arguments.empty()) {
    const Values* const items = items_of(*arguments[0]);
    if (items == nullptr) wrong("a list is made of what is none");
    builder.charge(items->size());
    sequence.items = *items;
  }
  return builder.add(std::move(sequence));
}

Value* make_opaque(Builder& builder, const Values&) {
  return builder.add(Opaque{});
}

/// bytes() and bytearray(b"..."), bytearray(u"...", "latin-1").
Value* make_bytes(Builder& builder, const Values& arguments) {
  need_count(arguments, 0, 2);
  if (arguments.empty()) return builder.add(Bytes{});
  const auto bytes = bytes_of(*arguments[0]);
  if (!bytes) wrong("a bytearray is made of what is no bytes");
  if (arguments.size() == 1) return builder.add(Bytes{*bytes});
  const auto encoded = encode_latin1(*bytes);
  if (!encoded) wrong("bytes are not Latin-1");
  return builder.add(Bytes{builder.keep(*encoded)});
}

/// _codecs.encode(u"...", "latin1"): how Python 3 writes bytes for Python 2.
Value* encode(Builder& builder, const Values& arguments) {
  need_count(arguments, 2, 2);
  const auto text = need_text(arguments, 0, "what is encoded is no text");
  const auto encoding = need_text(arguments, 1, "an encoding is no text");
  if (encoding != "latin1" && encoding != "latin-1") wrong("an encoding is not latin1");
  const auto encoded = encode_latin1(text);
  if (!encoded) wrong("bytes are not Latin-1");
  return builder.add(Bytes{builder.keep(*encoded)});
}

// torch

Tensor view_of_storage(const Values& arguments) {
  return {.storage = need<const Storage*>(arguments, 0, "a tensor has no storage"),
          .offset = need_integer(arguments, 1, "a storage offset is no integer"),
          .shape = need_sizes(arguments, 2),
          .strides = need_sizes(arguments, 3),
          .type = {},
          .marked = false};
}

/// torch marks lazily negated and conjugated tensors in a last argument.
bool is_marked(const Values& arguments, size_t i) {
  const auto* marks = i < arguments.size() ? get<Dict>(*arguments[i]) : nullptr;
  return marks != nullptr && !marks->items.empty();
}

/// (storage, offset, size, stride)
Value* rebuild_tensor(Builder& builder, const Values& arguments) {
  need_count(arguments, 4, 4);
  return builder.add(view_of_storage(arguments));
}

/// (storage, offset, size, stride, requires_grad, backward_hooks[, marks])
Value* rebuild_tensor_v2(Builder& builder, const Values& arguments) {
  need_count(arguments, 6, 7);
  Tensor tensor = view_of_storage(arguments);
  tensor.marked = is_marked(arguments, 6);
  return builder.add(std::move(tensor));
}

/// (storage, offset, size, stride, requires_grad, backward_hooks, dtype[, marks])
Value* rebuild_tensor_v3(Builder& builder, const Values& arguments) {
  need_count(arguments, 7, 8);
  Tensor tensor = view_of_storage(arguments);
  tensor.marked = is_marked(arguments, 7);
  tensor.type = need<const Global*>(arguments, 6, "a dtype is none")->name;
  return builder.add(std::move(tensor));
}

/// A parameter is its tensor: (tensor, requires_grad, hooks[, state]).
Value* rebuild_parameter(Builder&, const Values& arguments) {
  need_count(arguments, 1, 4);
  need<const Tensor*>(arguments, 0, "a parameter is made of what is no tensor");
  return arguments[0];
}

Value* rebuild_from_type(Builder& builder, const Values& arguments);

/// torch.Size(sizes)
Value* make_size(Builder&, const Values& arguments) {
  need_count(arguments, 1, 1);
  need<Tuple>(arguments, 0, "a size is no tuple");
  return arguments[0];
}

constexpr std::array kGlobals = {
    Global{"_codecs.encode", encode},
    Global{"builtins.bool"},
    Global{"builtins.bytearray", make_bytes},
    Global{"builtins.bytes", make_bytes},
    Global{"builtins.complex", make_opaque},
    Global{"builtins.dict", make_dict},
    Global{"builtins.float"},
    Global{"builtins.frozenset", make_opaque},
    Global{"builtins.int"},
    Global{"builtins.list", make_sequence<List>},
    Global{"builtins.set", make_opaque},
    Global{"builtins.str"},
    Global{"builtins.tuple", make_sequence<Tuple>},
    Global{"collections.Counter", make_dict},
    Global{"collections.OrderedDict", make_dict},
    Global{"collections.defaultdict", make_default_dict},
    Global{"numpy._core.multiarray._reconstruct", reconstruct_array},
    Global{"numpy._core.multiarray.scalar", make_numpy_scalar},
    Global{"numpy._core.numeric._frombuffer", array_of_buffer},
    Global{"numpy.dtype", make_numpy_type},
    Global{"numpy.ndarray"},
    Global{"torch.BFloat16Storage"},
    Global{"torch.BoolStorage"},
    Global{"torch.ByteStorage"},
    Global{"torch.CharStorage"},
    Global{"torch.ComplexDoubleStorage"},
    Global{"torch.ComplexFloatStorage"},
    Global{"torch.DoubleStorage"},
    Global{"torch.FloatStorage"},
    Global{"torch.HalfStorage"},
    Global{"torch.IntStorage"},
    Global{"torch.LongStorage"},
    Global{"torch.QInt32Storage"},
    Global{"torch.QInt8Storage"},
    Global{"torch.QUInt8Storage"},
    Global{"torch.ShortStorage"},
    Global{"torch.Size", make_size},
    Global{"torch.Tensor"},
    Global{"torch._tensor._rebuild_from_type_v2", rebuild_from_type},
    Global{"torch._utils._rebuild_parameter", rebuild_parameter},
    Global{"torch._utils._rebuild_parameter_with_state", rebuild_parameter},
    Global{"torch._utils._rebuild_tensor", rebuild_tensor},
    Global{"torch._utils._rebuild_tensor_v2", rebuild_tensor_v2},
    Global{"torch._utils._rebuild_tensor_v3", rebuild_tensor_v3},
    Global{"torch.bfloat16"},
    Global{"torch.bool"},
    Global{"torch.complex128"},
    Global{"torch.complex64"},
    Global{"torch.device", make_opaque},
    Global{"torch.float16"},
    Global{"torch.float32"},
    Global{"torch.float64"},
    Global{"torch.float8_e4m3fn"},
    Global{"torch.float8_e5m2"},
    Global{"torch.int16"},
    Global{"torch.int32"},
    Global{"torch.int64"},
    Global{"torch.int8"},
    Global{"torch.nn.parameter.Parameter", rebuild_parameter},
    Global{"torch.storage.UntypedStorage"},
    Global{"torch.storage._UntypedStorage"},
    Global{"torch.uint16"},
    Global{"torch.uint32"},
    Global{"torch.uint64"},
    Global{"torch.uint8"},
};
constexpr auto by_name = [](const Global& a, const Global& b) { return a.name < b.name; };
static_assert(std::is_sorted(kGlobals.begin(), kGlobals.end(), by_name));

/// (function, type, arguments, state): a tensor or a parameter with attributes of its own.
Value* rebuild_from_type(Builder& builder, const Values& arguments) {
  need_count(arguments, 4, 4);
  const auto* function = need<const Global*>(arguments, 0, "a tensor is rebuilt by what is no function");
  const auto* type = need<const Global*>(arguments, 1, "a tensor has no type");
  if (!function->name.starts_with("torch._utils.")) wrong("a tensor is rebuilt by another function");
  if (type->name != "torch.Tensor" && type->name != "torch.nn.parameter.Parameter")
    wrong("a tensor is of another type");
  return call(builder, *arguments[0], *arguments[2]);
}

/// Who makes what calling `callee` gives.
std::string_view maker_of(const Value& callee) {
  if (const auto* global = get<const Global*>(callee)) return (*global)->name;
  const auto* opaque = get<Opaque>(callee);
  if (opaque == nullptr) wrong("it calls what is no function");
  return opaque->maker.empty() ? "an object" : opaque->maker;
}

/// The names of Python 3 and of numpy 2, which moved what numpy 1 had in numpy.core; a storage that was on a
/// GPU is one.
std::string present_name(std::string_view module, std::string_view name) {
  if (module == "__builtin__") module = "builtins";
  if (module == "torch.cuda") module = "torch";
  constexpr std::string_view kOld = "numpy.core.";
  if (!module.starts_with(kOld)) return fmt::format("{}.{}", module, name);
  return fmt::format("numpy._core.{}.{}", module.substr(kOld.size()), name);
}

}  // namespace

std::string_view Builder::keep(std::string text) {
  if (text.size() > text_allowance_) wrong("its texts are longer than it is");
  text_allowance_ -= text.size();
  return pickle_.texts.emplace_back(std::move(text));
}

const Global* Builder::unknown(const std::string& name) {
  const auto found = pickle_.unknown.find(name);
  if (found != pickle_.unknown.end()) return &found->second;
  const auto kept = keep(name);
  return &pickle_.unknown.emplace(kept, Global{.name = kept, .known = false}).first->second;
}

void Builder::charge(size_t work) {
  if (work > work_allowance_) throw Refusal("its pickle has more instructions than such a file needs");
  work_allowance_ -= work;
}

const Global* find_global(Builder& builder, std::string_view module, std::string_view name) {
  const std::string full = present_name(module, name);
  const auto found = std::lower_bound(kGlobals.begin(), kGlobals.end(), Global{full}, by_name);
  return found != kGlobals.end() && found->name == full ? found : builder.unknown(full);
}

Value* call(Builder& builder, const Value& callee, const Value& arguments) {
  const auto* tuple = get<Tuple>(arguments);
  if (tuple == nullptr) wrong("it calls a function with what are no arguments");
  const auto* global = get<const Global*>(callee);
  if (global == nullptr || (*global)->call == nullptr) return builder.add(Opaque{maker_of(callee)});
  for (const Value* argument : tuple->items) {
    if (const auto maker = unknown_maker(*argument); !maker.empty()) return builder.add(Opaque{maker});
  }
  return (*global)->call(builder, tuple->items);
}

Value* call_with_keywords(Builder& builder, const Value& callee) {
  return builder.add(Opaque{maker_of(callee)});
}

void set_state(Value& object, const Value& state) {
  // A dict's attributes: state_dict() has _metadata there.
  if (get<Dict>(object) != nullptr || get<Opaque>(object) != nullptr) return;
  auto* const* array = get<Array*>(object);
  auto* const* type = get<NumpyType*>(object);
  const auto* values = get<Tuple>(state);
  if (values == nullptr || (array == nullptr && type == nullptr)) wrong("an object without a state gets one");
  if (array != nullptr) set_array_state(**array, values->items);
  if (type != nullptr) set_numpy_type_state(**type, values->items);
}

Value* load_storage(Builder& builder, const Value& id) {
  const auto* tuple = get<Tuple>(id);
  if (tuple == nullptr) wrong("a persistent id is no tuple");
  const Values& items = tuple->items;
  const auto kind = need_text(items, 0, "a persistent id has no kind");
  if (kind == "module" && items.size() > 1) return items[1];  // a module's class, with its source text
  need_count(items, 5, 6);
  if (kind != "storage") wrong("a persistent id is no storage");
  Storage storage{.type = need<const Global*>(items, 1, "a storage has no type")->name,
                  .key = need_text(items, 2, "a storage has no key"),
                  .count = need_integer(items, 4, "a storage has no size"),
                  .view = {}};
  if (items.size() == 6 && get<None>(*items[5]) == nullptr) {
    const Values& view = need<Tuple>(items, 5, "a storage's view is no tuple").items;
    need_count(view, 3, 3);
    storage.view = Storage::View{.key = need_text(view, 0, "a view has no key"),
                                 .offset = need_integer(view, 1, "a view has no offset"),
                                 .count = need_integer(view, 2, "a view has no size")};
  }
  return builder.add(std::move(storage));
}

}  // namespace rcnn::io::pickle
