#include "io/pickle/pickle_writer.h"

#include <utility>

namespace rcnn::io::pickle {

Writer& Writer::integer(int64_t value) {
  if (value == static_cast<int32_t>(value)) {
    op('J');
    number(static_cast<int32_t>(value));
  } else {
    op('\x8a').op(sizeof value);
    number(value);
  }
  return *this;
}

Writer& Writer::text(std::string_view utf8) {
  op('X');
  number(static_cast<uint32_t>(utf8.size()));
  written_ += utf8;
  return *this;
}

Writer& Writer::global(std::string_view module, std::string_view name) {
  op('c');
  written_.append(module).append("\n").append(name).append("\n");
  return *this;
}

Writer& Writer::sizes(std::span<const int64_t> values) {
  op('(');
  for (const int64_t value : values) integer(value);
  return op('t');
}

Writer& Writer::bytes_follow(uint64_t count) {
  op('\x8e');
  number(count);
  return *this;
}

// _reconstruct(ndarray, (0,), b"b") and the state (1, shape, dtype, False, data), where the type is
// dtype("f4", False, True) with the state (3, "<", None, None, None, -1, -1, 0).
Writer& Writer::begin_array(std::span<const int64_t> shape, std::string_view type, size_t element_size,
                            uint64_t bytes) {
  const int64_t empty = 0;
  // numpy 2 reads this name as well, by which numpy 1 alone knows it.
  global("numpy.core.multiarray", "_reconstruct").op('(');
  global("numpy", "ndarray").sizes({&empty, 1}).bytes_follow(1).op('b').op('t').op('R');
  op('(').integer(1).sizes(shape);
  global("numpy", "dtype").op('(').text(type).boolean(false).boolean(true).op('t').op('R');
  op('(').integer(3).text(element_size == 1 ? "|" : "<");
  none().none().none().integer(-1).integer(-1).integer(0).op('t').op('b');
  return boolean(false).bytes_follow(bytes);
}

std::string Writer::take() {
  return std::exchange(written_, {});
}

template <class T>
void Writer::number(T value) {
  written_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace rcnn::io::pickle
