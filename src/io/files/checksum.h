#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <rcnn/export.h>

namespace rcnn::io {

/// The checksum of a file that contains it: XXH3 (64 bits) of all bytes, its own digits taken as '0'. In the
/// metadata of a safetensors file it reads "rcnn.checksum": "xxh3-64:<16 hexadecimal digits>".
class RCNN_EXPORT Checksum {
 public:
  static constexpr std::string_view kKey = "rcnn.checksum";
  static constexpr std::string_view kOldKey =
      "checksum";  ///< of rcnn 0.1.0, and of other programs for theirs
  static constexpr std::string_view kPrefix = "xxh3-64:";
  static constexpr size_t kDigits = 16;
  static constexpr std::string_view kZeros = "0000000000000000";

  Checksum();
  ~Checksum();

  void add(std::string_view bytes);
  std::string digits() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

/// Where in a JSON header the digits of `value`, an entry "xxh3-64:<digits>" under `key`, begin. The text
/// that the writer gives it, quotes included, can stand nowhere else: within strings quotes are escaped. None
/// where another program wrote it in other words.
std::optional<size_t> find_checksum_digits(std::string_view header, std::string_view key,
                                           std::string_view value);

}  // namespace rcnn::io
