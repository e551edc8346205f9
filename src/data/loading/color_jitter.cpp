#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <c10/util/Exception.h>

#include <rcnn/data/loading/color_jitter.h>

#include "data/images/mat.h"
#include "data/loading/random.h"

namespace rcnn::data {
namespace {

struct Pixels {
  explicit Pixels(at::Tensor& image) {
    const cv::Mat mat = as_mat(image);  // checks it
    begin = mat.data;
    end = begin + image.numel();
  }
  uint8_t *begin, *end;
};

/// Cut off, not rounded, as torch converts.
uint8_t to_byte(float value) {
  return static_cast<uint8_t>(std::clamp(value, 0.F, 255.F));
}

uint8_t grey(const uint8_t* rgb) {
  return to_byte(0.2989F * static_cast<float>(rgb[0]) + 0.587F * static_cast<float>(rgb[1]) +
                 0.114F * static_cast<float>(rgb[2]));
}

/// Between an image's value, at 1, and another.
struct Blend {
  explicit Blend(double factor) : own(static_cast<float>(factor)), other(static_cast<float>(1 - factor)) {
    TORCH_CHECK(factor >= 0, "a factor of brightness, contrast or saturation must not be negative, got ",
                factor);
  }
  uint8_t operator()(uint8_t value, float with) const {
    return to_byte(own * static_cast<float>(value) + other * with);
  }
  float own, other;
};

/// Blends every value with the same one.
void blend_with(const Pixels& pixels, const Blend& blend, float with) {
  std::array<uint8_t, 256> table;
  for (size_t value = 0; value < table.size(); ++value)
    table[value] = blend(static_cast<uint8_t>(value), with);
  for (uint8_t* value = pixels.begin; value != pixels.end; ++value) *value = table[*value];
}

struct Hsv {
  float hue, saturation, value;
};

Hsv to_hsv(float r, float g, float b) {
  const float most = std::max({r, g, b}), least = std::min({r, g, b}), range = most - least;
  if (range == 0) return {0, 0, most};
  const float rc = (most - r) / range, gc = (most - g) / range, bc = (most - b) / range;
  const float sector = most == r ? bc - gc : most == g ? 2 + rc - bc : 4 + gc - rc;
  return {std::fmod(sector / 6 + 1, 1.F), range / most, most};
}

std::array<float, 3> to_rgb(const Hsv& hsv) {
  const auto [h, s, v] = hsv;
  const float sector = std::floor(h * 6), f = h * 6 - sector;
  const float p = std::clamp(v * (1 - s), 0.F, 1.F);
  const float q = std::clamp(v * (1 - s * f), 0.F, 1.F);
  const float t = std::clamp(v * (1 - s * (1 - f)), 0.F, 1.F);
  switch (static_cast<int>(sector) % 6) {
    case 0:
      return {v, t, p};
    case 1:
      return {q, v, p};
    case 2:
      return {p, v, t};
    case 3:
      return {p, q, v};
    case 4:
      return {t, p, v};
    default:
      return {v, p, q};
  }
}

}  // namespace

void adjust_brightness(at::Tensor& image, double factor) {
  blend_with(Pixels(image), Blend(factor), 0);
}

void adjust_contrast(at::Tensor& image, double factor) {
  const Blend blend(factor);
  const Pixels pixels(image);
  int64_t sum = 0;
  for (const uint8_t* rgb = pixels.begin; rgb != pixels.end; rgb += 3) sum += grey(rgb);
  const double mean = static_cast<double>(sum) / std::max(1., static_cast<double>(image.numel() / 3));
  blend_with(pixels, blend, static_cast<float>(mean));
}

void adjust_saturation(at::Tensor& image, double factor) {
  const Blend blend(factor);
  const Pixels pixels(image);
  for (uint8_t* rgb = pixels.begin; rgb != pixels.end; rgb += 3) {
    const float with = grey(rgb);
    for (int channel = 0; channel < 3; ++channel) rgb[channel] = blend(rgb[channel], with);
  }
}

void adjust_hue(at::Tensor& image, double turn) {
  TORCH_CHECK(turn >= -0.5 && turn <= 0.5, "a turn of the hue must be from -0.5 to 0.5, got ", turn);
  const Pixels pixels(image);
  for (uint8_t* rgb = pixels.begin; rgb != pixels.end; rgb += 3) {
    Hsv hsv = to_hsv(static_cast<float>(rgb[0]) / 255, static_cast<float>(rgb[1]) / 255,
                     static_cast<float>(rgb[2]) / 255);
    hsv.hue = std::fmod(hsv.hue + static_cast<float>(turn), 1.F);
    if (hsv.hue < 0) hsv.hue += 1;
    const auto turned = to_rgb(hsv);
    // 256 would be reached by white alone.
    for (size_t channel = 0; channel < 3; ++channel) rgb[channel] = to_byte(turned[channel] * 255.999F);
  }
}

void jitter_color(at::Tensor& image, const ColorJitterOptions& options, uint64_t seed) {
  Random random(seed);
  const auto factor = [&](double reach) { return random.uniform(std::max(0., 1 - reach), 1 + reach); };
  // Each is drawn whether it is used or not, so that turning one on or off leaves the others as they are.
  const double brightness = factor(options.brightness), contrast = factor(options.contrast);
  const double saturation = factor(options.saturation), hue = random.uniform(-options.hue, options.hue);
  std::vector<int> order = {0, 1, 2, 3};
  random.shuffle(order);
  for (const int which : order) {
    if (which == 0 && options.brightness > 0) adjust_brightness(image, brightness);
    if (which == 1 && options.contrast > 0) adjust_contrast(image, contrast);
    if (which == 2 && options.saturation > 0) adjust_saturation(image, saturation);
    if (which == 3 && options.hue > 0) adjust_hue(image, hue);
  }
}

}  // namespace rcnn::data
