#include "data/images/pnm_header.h"

#include <algorithm>
#include <map>
#include <string>

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
  Text(FileBytes& bytes, int64_t begin) : bytes_(bytes), place_(begin) {}

  DataError damaged() const { return damaged_header(bytes_, "PNM"); }

  int64_t place() const { return place_; }

  int next() {
    const int byte = bytes_[place_];
    if (byte == FileBytes::kEnd || place_ >= kLongestHeader) throw damaged();
    ++place_;
    return byte;
  }

  /// After white space and comments to the end of their line; what ends the number is read, too.
  int64_t number() {
    int byte = next();
    while (is_space(byte) || byte == '#') {
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
  int64_t place_;
};

/// P1 to P6: bits, grey or colours, as text or as bytes.
PnmHeader portable_header(FileBytes& bytes) {
  const int kind = bytes[1] - '0';
  const bool bits = kind == 1 || kind == 4;
  Text text(bytes, 2);
  PnmHeader header{.as_text = kind <= 3, .bits = bits, .channels = kind == 3 || kind == 6 ? 3 : 1};
  header.size.width = text.number();
  header.size.height = text.number();
  if (!bits) header.largest = text.number();
  header.begin = text.place();
  return header;
}

/// P7: lines of a key and a value each.
PnmHeader arbitrary_header(FileBytes& bytes) {
  Text text(bytes, 3);
  std::map<std::string, std::string> fields;
  for (auto line = text.line(); line != "ENDHDR"; line = text.line()) {
    if (line.starts_with('#')) continue;
    const auto space = std::min(line.find(' '), line.size() - 1);
    if (line.empty() || !fields.emplace(line.substr(0, space), line.substr(space + 1)).second)
      throw text.damaged();
  }
  const auto field = [&](const char* key) {
    const auto value = number<int64_t>(fields[key]);
    if (!value || *value < 0 || *value > INT32_MAX) throw text.damaged();
    return *value;
  };
  return {.size = {.height = field("HEIGHT"), .width = field("WIDTH")},
          .channels = field("DEPTH"),
          .largest = field("MAXVAL"),
          .begin = text.place()};
}

}  // namespace

bool is_pnm(FileBytes& bytes) {
  if (bytes[0] != 'P') return false;
  return (bytes[1] >= '1' && bytes[1] <= '6' && is_space(bytes[2])) || (bytes[1] == '7' && bytes[2] == '\n');
}

PnmHeader read_pnm_header(FileBytes& bytes) {
  constexpr int64_t kMostLargest = 65535, kMostChannels = 4;
  const auto header = bytes[1] == '7' ? arbitrary_header(bytes) : portable_header(bytes);
  const bool known = header.largest >= 1 && header.largest <= kMostLargest && header.channels >= 1 &&
                     header.channels <= kMostChannels;
  if (!known) throw damaged_header(bytes, "PNM");
  return header;
}

ImageHeader pnm_header(FileBytes& bytes) {
  const auto pnm = read_pnm_header(bytes);
  ImageHeader header{.kind = ImageKind::pnm, .size = pnm.size};
  if (!pnm.as_text) header.end = end_of_rows(pnm.begin, pnm.row_bytes(), pnm.size.height);
  return header;
}

}  // namespace rcnn::data
