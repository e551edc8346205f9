#include "io/tensor_reader.h"

#include <algorithm>
#include <vector>

#include <ATen/ops/empty.h>
#include <c10/util/StringUtil.h>
#include <spdlog/fmt/fmt.h>

#include "io/element_types.h"
#include "io/raw_tensor.h"
#include "io/refusal.h"

namespace rcnn::io {
namespace {

/// Whether every element that shape, strides and offset reach lies in a storage of `count` elements.
bool lies_within(const pickle::Tensor& tensor, int64_t count) {
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach)) return false;
    if (__builtin_add_overflow(last, reach, &last)) return false;
  }
  return last < count;
}

bool is_permutation(std::vector<int64_t> axes, size_t count) {
  std::sort(axes.begin(), axes.end());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != static_cast<int64_t>(i)) return false;
  }
  return axes.size() == count;
}

at::Tensor swap_bytes(const at::Tensor& tensor) {
  const at::Tensor swapped = tensor.clone();
  const size_t size = tensor.element_size();
  char* const data = static_cast<char*>(swapped.data_ptr());
  for (size_t i = 0; i < swapped.nbytes(); i += size) std::reverse(data + i, data + i + size);
  return swapped;
}

}  // namespace

at::ScalarType element_type(std::string_view storage_type) {
  if (const auto type = type_of(&ElementType::storage, storage_type)) return *type;
  throw Refusal(fmt::format("storage type {} is not supported", excerpt(storage_type)));
}

bool TensorReader::is_tensor(const pickle::Value& value) {
  return pickle::get<const pickle::Tensor*>(value) != nullptr ||
         pickle::get<pickle::Array*>(value) != nullptr;
}

at::Tensor TensorReader::read(const pickle::Value& value) {
  if (const auto* tensor = pickle::get<const pickle::Tensor*>(value)) return read(**tensor);
  return read(**pickle::get<pickle::Array*>(value));
}

at::Tensor TensorReader::read(const pickle::Tensor& tensor) {
  if (!tensor.type.empty()) throw Refusal(fmt::format("dtype {} is not supported", tensor.type));
  if (tensor.marked)
    throw Refusal("it is conjugated or negated lazily; save it after .resolve_conj().resolve_neg()");
  const auto negative = [](int64_t value) { return value < 0; };
  if (tensor.shape.size() != tensor.strides.size()) throw Refusal("its shape and strides differ in length");
  if (tensor.offset < 0 || std::any_of(tensor.shape.begin(), tensor.shape.end(), negative) ||
      std::any_of(tensor.strides.begin(), tensor.strides.end(), negative)) {
    throw Refusal("its offset, a size or a stride is negative");
  }
  at::Tensor storage = whole_storage(*tensor.storage);
  if (const auto& view = tensor.storage->view) {
    const int64_t count = storage.numel();
    if (view->offset < 0 || view->count < 0 || view->offset > count || view->count > count - view->offset) {
      throw Refusal("its view of a storage leaves it");
    }
    storage = storage.narrow(0, view->offset, view->count);
  }
  const auto bytes = count_bytes(tensor.shape, storage.scalar_type());
  // A tensor expanded by strides of 0 could be of any size once it is copied.
  if (!bytes || *bytes > storage.nbytes()) throw Refusal("it has more elements than its storage");
  if (*bytes == 0) return at::empty(tensor.shape, storage.options());
  if (!lies_within(tensor, storage.numel())) throw Refusal("it leaves its storage");
  return storage.as_strided(tensor.shape, tensor.strides, storage.storage_offset() + tensor.offset);
}

at::Tensor TensorReader::read(const pickle::Array& array) {
  const auto known = arrays_.find(&array);
  if (known != arrays_.end()) return known->second;
  // Many arrays can refer to the same bytes, and each may have to copy them.
  array_bytes_ += array.data.size();
  if (array_bytes_ > file_.size) throw Refusal("the arrays up to it are larger than the file");
  return arrays_.emplace(&array, convert(array)).first->second;
}

at::Tensor TensorReader::convert(const pickle::Array& array) const {
  if (array.type == nullptr) throw Refusal("the array has no content");
  std::string_view name = array.type->name;
  bool big_endian = array.type->big_endian;
  if (!name.empty() && std::string_view("<>=|").find(name[0]) != std::string_view::npos) {
    big_endian = name[0] == '>';
    name.remove_prefix(1);
  }
  const auto type = type_of(&ElementType::numpy, name);
  if (!type) throw Refusal(fmt::format("numpy dtype {} is not supported", excerpt(name)));
  if (count_bytes(array.shape, *type) != array.data.size()) {
    throw Refusal(fmt::format("{} bytes of data do not make {} of shape {}", array.data.size(), name,
                              c10::str(at::IntArrayRef(array.shape))));
  }
  at::Tensor tensor = tensor_of(file_, array.data, array.shape, *type);
  if (big_endian && tensor.element_size() > 1) tensor = swap_bytes(tensor);
  if (array.axes.empty()) return tensor;
  if (!is_permutation(array.axes, array.shape.size())) throw Refusal("its axes are no permutation");
  return tensor.permute(array.axes);
}

at::Tensor TensorReader::whole_storage(const pickle::Storage& storage) {
  const at::ScalarType type = element_type(storage.type);
  const auto key = std::pair(storage.key, type);
  const auto known = storages_.find(key);
  const std::string_view bytes = known == storages_.end() ? find_storage_(storage) : std::string_view();
  const uint64_t found = known == storages_.end() ? bytes.size() : known->second.nbytes();
  if (count_bytes(storage.count, type) != found) {
    throw Refusal(fmt::format("its storage {} has {} bytes, not {} elements of {}", excerpt(storage.key),
                              found, storage.count, storage.type));
  }
  if (known != storages_.end()) return known->second;
  return storages_.emplace(key, tensor_of(file_, bytes, storage.count, type)).first->second;
}

}  // namespace rcnn::io
