#include "data/images/pnm.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "data/images/mat.h"
#include "data/images/pnm_header.h"

namespace rcnn::data {
namespace {

/// The samples of a PNM one after the other.
class PnmSamples {
 public:
  PnmSamples(FileBytes& bytes, const PnmHeader& header)
      : file_(bytes.file()), header_(header), rest_(bytes.all().subspan(static_cast<size_t>(header.begin))) {}

  int64_t next() {
    if (header_.as_text) return number();
    if (header_.bits) return bit();
    const int64_t byte = take();
    return header_.largest > 255 ? byte << 8 | take() : byte;
  }

  /// Bits of one byte are of one row.
  void end_row() { bits_left_ = 0; }

 private:
  DataError damaged() const {
    return file_error(
        file_, "is damaged or cut off: its pixels end early or are no numbers; copy it again or remove it");
  }

  uint8_t take() {
    if (rest_.empty()) throw damaged();
    const auto byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte;
  }

  int64_t bit() {
    if (bits_left_ == 0) {
      byte_ = take();
      bits_left_ = 8;
    }
    return byte_ >> --bits_left_ & 1;
  }

  /// Digits of bits may stand side by side.
  int64_t number() {
    auto byte = take();
    for (bool comment = false; comment || byte == '#' || byte == ' ' || (byte >= '\t' && byte <= '\r');
         byte = take())
      comment = (comment || byte == '#') && byte != '\n' && byte != '\r';
    int64_t value = 0;
    for (;; byte = take()) {
      if (byte < '0' || byte > '9') throw damaged();
      value = std::min<int64_t>(10 * value + byte - '0', INT32_MAX);
      if (header_.bits || rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return value;
    }
  }

  const std::filesystem::path& file_;
  const PnmHeader& header_;
  std::span<const uint8_t> rest_;
  int byte_ = 0, bits_left_ = 0;
};

/// What each sample is of 255; bits are the other way round.
std::vector<uint8_t> scale_of(const PnmHeader& header) {
  if (header.bits) return {255, 0};
  std::vector<uint8_t> scale(static_cast<size_t>(header.largest) + 1);
  for (size_t value = 0; value < scale.size(); ++value) {
    const double share = static_cast<double>(value) / static_cast<double>(header.largest);
    scale[value] = static_cast<uint8_t>(std::nearbyint(share * 255));  // halves as Python's round() has them
  }
  return scale;
}

}  // namespace

at::Tensor decode_pnm(FileBytes& bytes) {
  const auto header = read_pnm_header(bytes);
  const auto scale = scale_of(header);
  PnmSamples samples(bytes, header);
  at::Tensor image = empty_image(header.size);
  auto* out = image.data_ptr<uint8_t>();
  const bool grey = header.channels < 3;
  for (int64_t y = 0; y < header.size.height; ++y, samples.end_row()) {
    for (int64_t x = 0; x < header.size.width; ++x, out += 3) {
      for (int64_t channel = 0; channel < header.channels; ++channel) {
        const auto value = scale[static_cast<size_t>(std::min(samples.next(), header.largest))];
        if (channel < (grey ? 1 : 3)) out[channel] = value;
      }
      if (grey) out[1] = out[2] = out[0];
    }
  }
  return image;
}

}  // namespace rcnn::data
