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

std::string Writer::take() {
  return std::exchange(written_, {});
}

template <class T>
void Writer::number(T value) {
  written_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace rcnn::io::pickle
