#pragma once

#include <algorithm>
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

}  // namespace rcnn::test
