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
  explicit Writer(int protocol);

  Writer& op(char instruction);
  Writer& none();
  Writer& boolean(bool value);
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
