#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include <torch/torch.h>

/// The ops written from their definitions, one element at a time in double. CPU tensors in, float64 or int64
/// out.
namespace rcnn::test {

struct NaiveBox {
  double x1, y1, x2, y2;
  double width() const { return x2 - x1; }
  double height() const { return y2 - y1; }
};

inline NaiveBox naive_box(const at::Tensor& boxes, int64_t row, int64_t first_column = 0) {
  const at::Tensor b = boxes[row].to(at::kDouble);
  const auto at = [&](int64_t i) { return b[first_column + i].item<double>(); };
  return {at(0), at(1), at(2), at(3)};
}

/// All of them, each looked up once: an element of a tensor costs a microsecond.
inline std::vector<NaiveBox> naive_boxes(const at::Tensor& boxes) {
  std::vector<NaiveBox> all;
  for (int64_t i = 0; i < boxes.size(0); ++i) all.push_back(naive_box(boxes, i));
  return all;
}

inline std::vector<double> naive_values(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

inline double naive_intersection(const NaiveBox& a, const NaiveBox& b) {
  return std::max(std::min(a.x2, b.x2) - std::max(a.x1, b.x1), 0.0) *
         std::max(std::min(a.y2, b.y2) - std::max(a.y1, b.y1), 0.0);
}

inline double naive_iou(const NaiveBox& a, const NaiveBox& b) {
  const double common = naive_intersection(a, b);
  return common > 0 ? common / (a.width() * a.height() + b.width() * b.height() - common) : 0;
}

inline at::Tensor naive_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                            double iou_threshold) {
  const auto box = naive_boxes(boxes);
  const auto score = naive_values(scores), group = naive_values(groups);
  std::vector<int64_t> order(box.size()), kept;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
  for (const int64_t i : order) {
    const bool free = std::all_of(kept.begin(), kept.end(), [&](int64_t k) {
      return group[i] != group[k] || naive_iou(box[k], box[i]) <= iou_threshold;
    });
    if (free) kept.push_back(i);
  }
  return torch::tensor(kept, at::kLong);
}

struct NaiveSoftNms {
  at::Tensor indices, scores;
};

/// Figure 2 of the paper, `decay` being its f. Stops where no score is above min_score.
inline NaiveSoftNms naive_soft_nms(const at::Tensor& boxes, const at::Tensor& scores,
                                   const at::Tensor& groups, const std::function<double(double)>& decay,
                                   double min_score) {
  const auto box = naive_boxes(boxes);
  const auto group = naive_values(groups);
  std::vector<double> left = naive_values(scores), kept_scores;
  std::vector<int64_t> kept;
  std::vector<bool> taken(left.size());
  while (true) {
    int64_t best = -1;
    for (int64_t i = 0; i < std::ssize(left); ++i) {
      if (!taken[i] && left[i] > min_score && (best < 0 || left[i] > left[best])) best = i;
    }
    if (best < 0) return {torch::tensor(kept, at::kLong), torch::tensor(kept_scores, at::kDouble)};
    taken[best] = true;
    kept.push_back(best);
    kept_scores.push_back(left[best]);
    for (int64_t i = 0; i < std::ssize(left); ++i) {
      if (group[i] != group[best]) continue;
      left[i] *= decay(naive_iou(box[best], box[i]));
    }
  }
}

inline at::Tensor naive_roi_pool(const at::Tensor& features, const at::Tensor& rois, int64_t height,
                                 int64_t width, double scale) {
  const at::Tensor f = features.to(at::kDouble);
  const at::Tensor output = at::zeros({rois.size(0), f.size(1), height, width}, at::kDouble);
  const auto cells = [](double low, double high, int64_t bin, int64_t bins, int64_t length) {
    const double start = std::round(low), size = std::max(std::round(high) - start + 1, 1.0);
    const auto clip = [&](double v) {
      return std::clamp<int64_t>(static_cast<int64_t>(v + start), 0, length);
    };
    return std::pair(clip(std::floor(bin * size / bins)), clip(std::ceil((bin + 1) * size / bins)));
  };
  for (int64_t k = 0; k < rois.size(0); ++k) {
    const NaiveBox box = naive_box(rois, k, 1);
    for (int64_t p = 0; p < height; ++p) {
      for (int64_t q = 0; q < width; ++q) {
        const auto [y1, y2] = cells(box.y1 * scale, box.y2 * scale, p, height, f.size(2));
        const auto [x1, x2] = cells(box.x1 * scale, box.x2 * scale, q, width, f.size(3));
        if (y1 >= y2 || x1 >= x2) continue;
        const at::Tensor bin = f[rois[k][0].item<int64_t>()].slice(1, y1, y2).slice(2, x1, x2);
        output.select(0, k).select(1, p).select(1, q).copy_(bin.amax({1, 2}));
      }
    }
  }
  return output;
}

/// [C] at (y, x) of a map [C, H, W].
inline at::Tensor naive_bilinear(const at::Tensor& map, double y, double x) {
  const int64_t height = map.size(1), width = map.size(2);
  if (y < -1 || y > height || x < -1 || x > width) return at::zeros({map.size(0)}, map.options());
  y = std::clamp<double>(y, 0, height - 1), x = std::clamp<double>(x, 0, width - 1);
  const auto y0 = static_cast<int64_t>(y), x0 = static_cast<int64_t>(x);
  const int64_t y1 = std::min(y0 + 1, height - 1), x1 = std::min(x0 + 1, width - 1);
  const auto at = [&](int64_t i, int64_t j) { return map.select(1, i).select(1, j); };
  return (1 - (y - y0)) * ((1 - (x - x0)) * at(y0, x0) + (x - x0) * at(y0, x1)) +
         (y - y0) * ((1 - (x - x0)) * at(y1, x0) + (x - x0) * at(y1, x1));
}

inline at::Tensor naive_roi_align(const at::Tensor& features, const at::Tensor& rois, double scale,
                                  int64_t height, int64_t width, int64_t sampling_ratio, bool aligned) {
  const at::Tensor f = features.to(at::kDouble);
  const at::Tensor output = at::zeros({rois.size(0), f.size(1), height, width}, at::kDouble);
  for (int64_t k = 0; k < rois.size(0); ++k) {
    const NaiveBox box = naive_box(rois, k, 1);
    const double shift = aligned ? 0.5 : 0, least = aligned ? -1e300 : 1;
    const double bin_h = std::max(box.height() * scale, least) / height;
    const double bin_w = std::max(box.width() * scale, least) / width;
    const int64_t rows = sampling_ratio ? sampling_ratio : static_cast<int64_t>(std::ceil(bin_h));
    const int64_t columns = sampling_ratio ? sampling_ratio : static_cast<int64_t>(std::ceil(bin_w));
    for (int64_t p = 0; p < height; ++p) {
      for (int64_t q = 0; q < width; ++q) {
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < columns; ++j) {
            const double y = box.y1 * scale - shift + (p + (i + 0.5) / rows) * bin_h;
            const double x = box.x1 * scale - shift + (q + (j + 0.5) / columns) * bin_w;
            output.select(0, k).select(1, p).select(1, q) +=
                naive_bilinear(f[rois[k][0].item<int64_t>()], y, x) / (rows * columns);
          }
        }
      }
    }
  }
  return output;
}

/// Everything is [y, x] where there are two.
struct NaiveDeformConv {
  std::array<int64_t, 2> stride, padding, dilation;
  int64_t groups;
};

/// A tap reads the four cells around it, of which those outside the map are 0.
inline at::Tensor naive_deform_conv(const at::Tensor& input, const at::Tensor& offset,
                                    const at::Tensor& weight, const at::Tensor& bias,
                                    const NaiveDeformConv& options) {
  const int64_t height = input.size(2), width = input.size(3), kernel_height = weight.size(2),
                kernel_width = weight.size(3), in_group = weight.size(1),
                out_group = weight.size(0) / options.groups;
  const int64_t offset_groups = offset.size(1) / (2 * kernel_height * kernel_width);
  const at::Tensor output =
      at::zeros({input.size(0), weight.size(0), offset.size(2), offset.size(3)}, at::kDouble);
  const auto in = input.to(at::kDouble).contiguous(), moved = offset.to(at::kDouble).contiguous(),
             factors = weight.to(at::kDouble).contiguous();
  const auto in_at = in.accessor<double, 4>(), moved_at = moved.accessor<double, 4>(),
             factor_at = factors.accessor<double, 4>();
  auto out_at = output.accessor<double, 4>();
  const auto cell = [&](int64_t n, int64_t c, double y, double x) {
    const bool on_map = y >= 0 && y < static_cast<double>(height) && x >= 0 && x < static_cast<double>(width);
    return on_map ? in_at[n][c][static_cast<int64_t>(y)][static_cast<int64_t>(x)] : 0.0;
  };
  for (int64_t n = 0; n < output.size(0); ++n) {
    for (int64_t o = 0; o < output.size(1); ++o) {
      for (int64_t p = 0; p < output.size(2); ++p) {
        for (int64_t q = 0; q < output.size(3); ++q) {
          double sum = bias.defined() ? bias[o].item<double>() : 0;
          for (int64_t i = 0; i < in_group * kernel_height * kernel_width; ++i) {
            const int64_t j = i / (kernel_height * kernel_width), c = o / out_group * in_group + j;
            const int64_t ky = i / kernel_width % kernel_height, kx = i % kernel_width;
            const int64_t dy = 2 * (c / (input.size(1) / offset_groups) * kernel_height * kernel_width +
                                    ky * kernel_width + kx);
            const double y = static_cast<double>(p * options.stride[0] - options.padding[0] +
                                                 ky * options.dilation[0]) +
                             moved_at[n][dy][p][q],
                         x = static_cast<double>(q * options.stride[1] - options.padding[1] +
                                                 kx * options.dilation[1]) +
                             moved_at[n][dy + 1][p][q];
            const double top = std::floor(y), left = std::floor(x), down = y - top, across = x - left;
            const double value = std::isinf(y) || std::isinf(x)
                                     ? 0
                                     : (1 - down) * ((1 - across) * cell(n, c, top, left) +
                                                     across * cell(n, c, top, left + 1)) +
                                           down * ((1 - across) * cell(n, c, top + 1, left) +
                                                   across * cell(n, c, top + 1, left + 1));
            sum += factor_at[o][j][ky][kx] * value;
          }
          out_at[n][o][p][q] = sum;
        }
      }
    }
  }
  return output;
}

}  // namespace rcnn::test
