#include "io/pickle/pickle_numpy.h"

#include <algorithm>
#include <numeric>

#include "io/pickle/pickle_arguments.h"

namespace rcnn::io::pickle {
namespace {

/// Column-major data lie as row-major ones of the reversed shape.
void set_column_major(Array& array) {
  std::reverse(array.shape.begin(), array.shape.end());
  array.axes.resize(array.shape.size());
  std::iota(array.axes.rbegin(), array.axes.rend(), 0);
}

bool is_true(const Values& values, size_t i) {
  const auto* truth = get<bool>(*values[i]);
  const auto* number = get<int64_t>(*values[i]);  // Python 2
  if (truth == nullptr && number == nullptr) wrong("an array has no order");
  return truth != nullptr ? *truth : *number != 0;
}

}  // namespace

Value* reconstruct_array(Builder& builder, const Values& arguments) {
  need_count(arguments, 3, 3);
  const auto* type = need<const Global*>(arguments, 0, "an array has no type");
  if (type->name != "numpy.ndarray") wrong("an array is of another type than numpy.ndarray");
  return builder.add(Array{});
}

Value* make_numpy_type(Builder& builder, const Values& arguments) {
  need_count(arguments, 1, 3);
  const auto name = bytes_of(*arguments[0]);
  if (!name) wrong("a dtype has no name");
  return builder.add(NumpyType{.name = *name});
}

Value* make_numpy_scalar(Builder& builder, const Values& arguments) {
  need_count(arguments, 1, 2);
  const auto* type = need<NumpyType*>(arguments, 0, "a scalar has no dtype");
  const auto data = arguments.size() == 2 ? bytes_of(*arguments[1]) : std::nullopt;
  return builder.add(Array{.type = type, .shape = {}, .axes = {}, .data = data.value_or(std::string_view())});
}

Value* array_of_buffer(Builder& builder, const Values& arguments) {
  need_count(arguments, 4, 5);
  const auto data = bytes_of(*arguments[0]);
  if (!data) wrong("an array has no data");
  Array array{.type = need<NumpyType*>(arguments, 1, "an array has no dtype"),
              .shape = need_sizes(arguments, 2),
              .axes = {},
              .data = *data};
  const auto order = need_text(arguments, 3, "an array has no order");
  if (order == "F") {
    set_column_major(array);
  } else if (order == "K") {
    array.axes = need_sizes(arguments, 4);
  } else if (order != "C") {
    wrong("an array is of an unknown order");
  }
  return builder.add(std::move(array));
}

void set_array_state(Array& array, const Values& state) {
  need_count(state, 5, 5);
  array.shape = need_sizes(state, 1);
  array.type = need<NumpyType*>(state, 2, "an array has no dtype");
  array.axes.clear();
  if (is_true(state, 3)) set_column_major(array);
  // An array of objects has a list of them here; its dtype is refused where the array is asked for.
  array.data = bytes_of(*state[4]).value_or(std::string_view());
}

void set_numpy_type_state(NumpyType& type, const Values& state) {
  const auto order = state.size() > 1 ? bytes_of(*state[1]) : std::nullopt;
  if (!order) wrong("a dtype has no byte order");
  type.big_endian = *order == ">";
}

}  // namespace rcnn::io::pickle
