#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rcnn::io::pickle {

/// Writes the instructions of a pickle one by one. Those named by a letter here are methods' names in
/// Python's pickletools.py: MARK is '(', TUPLE 't', EMPTY_TUPLE ')', EMPTY_DICT '}', SETITEMS 'u', REDUCE
/// 'R', BUILD 'b', BINPERSID 'Q', STOP '.'.
class Writer {
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

  /// What has been written since the last call.
  std::string take();

 private:
  template <class T>
  void number(T value);

  std::string written_;
};

}  // namespace rcnn::io::pickle
