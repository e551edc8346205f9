#pragma once

#include <algorithm>
#include <cstdint>

namespace rcnn::data {

/// One pixel of four inks, as Pillow converts it. `inverted` is 255 where a file says how much ink is
/// missing, as JPEGs of Adobe's programs do, and 0 where it says how much there is.
inline void cmyk_to_rgb(const uint8_t* cmyk, uint8_t inverted, uint8_t* rgb) {
  const int white = 255 - (cmyk[3] ^ inverted);
  for (int channel = 0; channel < 3; ++channel) {
    const int product = (cmyk[channel] ^ inverted) * white + 128;  // divided by 255, to the nearest
    rgb[channel] = static_cast<uint8_t>(std::max(0, white - ((product + (product >> 8)) >> 8)));
  }
}

}  // namespace rcnn::data
