#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "data/images/image_header.h"
#include "text.h"

namespace rcnn::data {
namespace {

constexpr int64_t kLongestHeader = 16384;

bool is_space(int byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool is_digit(int byte) {
  return byte >= '0' && byte <= '9';
}

/// Goes through the text at a file's head, strictly: what another reader might take otherwise is an error.
class Text {
 public:
  Text(FileBytes& bytes, std::string_view kind, int64_t begin) : bytes_(bytes), kind_(kind), place_(begin) {}

  DataError damaged() const { return damaged_header(bytes_, kind_); }

  int64_t place() const { return place_; }

  int next() {
    const int byte = bytes_[place_];
    if (byte == FileBytes::kEnd || place_ >= kLongestHeader) throw damaged();
    ++place_;
    return byte;
  }

  /// After white space and, where PNM allows them, comments to the end of their line; what ends the number is
  /// read, too.
  int64_t number(bool comments) {
    int byte = next();
    while (is_space(byte) || (comments && byte == '#')) {
      if (byte == '#') {
        while (byte != '\n' && byte != '\r') byte = next();
      }
      byte = next();
    }
    int64_t value = 0;
    if (!is_digit(byte)) throw damaged();
    for (; is_digit(byte); byte = next()) {
      value = 10 * value + (byte - '0');
      if (value > INT32_MAX) throw damaged();
    }
    if (!is_space(byte)) throw damaged();
    return value;
  }

  /// Without its end.
  std::string line() {
    std::string text;
    for (int byte = next(); byte != '\n'; byte = next()) text += static_cast<char>(byte);
    return text;
  }

 private:
  FileBytes& bytes_;
  const std::string_view kind_;
  int64_t place_;
};

/// P1 to P6: bits, grey or colours, as text or as bytes.
ImageHeader pnm_header(FileBytes& bytes) {
  const int kind = bytes[1] - '0';
  const bool as_text = kind <= 3, bits = kind == 1 || kind == 4, colors = kind == 3 || kind == 6;
  Text text(bytes, "PNM", 2);
  const int64_t width = text.number(true), height = text.number(true);
  const int64_t largest = bits ? 1 : text.number(true);
  ImageHeader header{.kind = ImageKind::pnm, .size = {.height = height, .width = width}};
  const int64_t row = bits ? (width + 7) / 8 : width * (colors ? 3 : 1) * (largest > 255 ? 2 : 1);
  if (!as_text) header.end = end_of_rows(text.place(), row, height);
  return header;
}

ImageHeader pam_header(FileBytes& bytes) {
  Text text(bytes, "PAM", 3);
  std::map<std::string, std::string> fields;
  for (auto line = text.line(); line != "ENDHDR"; line = text.line()) {
    if (line.starts_with('#')) continue;
    const auto space = std::min(line.find(' '), line.size() - 1);
    if (line.empty() || !fields.emplace(line.substr(0, space), line.substr(space + 1)).second)
      throw text.damaged();
  }
  const auto side = [&](const char* key) {
    const auto value = number<int64_t>(fields[key]);
    if (!value || *value < 0 || *value > INT32_MAX) throw text.damaged();
    return *value;
  };
  return {.kind = ImageKind::pam, .size = {.height = side("HEIGHT"), .width = side("WIDTH")}};
}

ImageHeader pfm_header(FileBytes& bytes) {
  Text text(bytes, "PFM", 3);
  const int64_t width = text.number(false), height = text.number(false);
  return {.kind = ImageKind::pfm, .size = {.height = height, .width = width}};
}

/// Lines up to an empty one, then "-Y height +X width".
ImageHeader radiance_header(FileBytes& bytes) {
  constexpr size_t kLongestLine = 126;  // the decoder reads longer ones in pieces
  Text text(bytes, "Radiance", 0);
  std::string line = text.line();
  for (; !line.empty(); line = text.line()) {
    if (line.size() > kLongestLine) throw text.damaged();
  }
  if (text.next() != '-' || text.next() != 'Y') throw text.damaged();
  const int64_t height = text.number(false);
  if (text.next() != '+' || text.next() != 'X') throw text.damaged();
  return {.kind = ImageKind::radiance, .size = {.height = height, .width = text.number(false)}};
}

}  // namespace

std::optional<ImageHeader> read_text_header(FileBytes& bytes) {
  const int first = bytes[0], second = bytes[1], third = bytes[2];
  if (first == 'P' && second >= '1' && second <= '6' && is_space(third)) return pnm_header(bytes);
  if (first == 'P' && second == '7' && third == '\n') return pam_header(bytes);
  if (first == 'P' && (second == 'F' || second == 'f') && third == '\n') return pfm_header(bytes);
  if (first == '#' && second == '?' && third == 'R') return radiance_header(bytes);
  return std::nullopt;
}

}  // namespace rcnn::data
