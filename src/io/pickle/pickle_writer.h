#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <rcnn/export.h>

namespace rcnn::io::pickle {

/// Writes the instructions of a pickle one by one. Those named by a letter here are methods' names in
/// Python's pickletools.py: MARK is '(', TUPLE 't', EMPTY_TUPLE ')', EMPTY_DICT '}', SETITEMS 'u', REDUCE
/// 'R', BUILD 'b', BINPERSID 'Q', STOP '.'.
class RCNN_EXPORT Writer {
 public:
  explicit Writer(int protocol) { op('\x80').op(static_cast<char>(protocol)); }

  Writer& op(char instruction) {
    written_ += instruction;
    return *this;
  }
  Writer& none() { return op('N'); }
  Writer& boolean(bool value) { return op(value ? '\x88' : '\x89'); }
  Writer& integer(int64_t value);
  Writer& text(std::string_view utf8);
  Writer& global(std::string_view module, std::string_view name);
  Writer& sizes(std::span<const int64_t> values);  ///< a tuple
  Writer& bytes_follow(uint64_t count);            ///< the caller writes them (protocol 4)

  /// A numpy array up to its data, of which `bytes` follow, in C's order; then end_array(). `type` is numpy's
  /// name of the elements, "f4".
  Writer& begin_array(std::span<const int64_t> shape, std::string_view type, size_t element_size,
                      uint64_t bytes);
  Writer& end_array() { return op('t').op('b'); }
  Writer& raw(std::string_view bytes) {
    written_ += bytes;
    return *this;
  }

  /// What has been written since the last call.
  std::string take();

 private:
  template <class T>
  void number(T value);

  std::string written_;
};

}  // namespace rcnn::io::pickle
