#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/kernels/deform_conv.h"
#include "ops/kernels/match_boxes.h"
#include "ops/kernels/nms.h"
#include "ops/kernels/real.h"
#include "ops/kernels/roi_align.h"
#include "ops/kernels/roi_pool.h"
#include "ops/kernels/soft_nms.h"

/// Every kernel once more from its definition, one element at a time on one thread. Shares the launchers'
/// argument types with them and no arithmetic.
namespace rcnn::ops::kernels::reference {

/// Index of (n, c, y, x) in a dense array of either memory format.
struct Array {
  int64_t channels, height, width;
  bool channels_last;
  int64_t operator()(int64_t n, int64_t c, int64_t y, int64_t x) const {
    return channels_last ? ((n * height + y) * width + x) * channels + c
                         : ((n * channels + c) * height + y) * width + x;
  }
};

// ---- boxes: the arithmetic of T decides on which side of a threshold an IoU lies, so the results are exact

template <class T>
struct Box {
  T x1, y1, x2, y2;
  T area() const { return (x2 - x1) * (y2 - y1); }
  bool has_nan() const { return std::isnan(x1) || std::isnan(y1) || std::isnan(x2) || std::isnan(y2); }
};

template <class T>
T overlap_area(const Box<T>& a, const Box<T>& b) {
  if (a.has_nan() || b.has_nan()) return 0;
  const T width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const T height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  return width > 0 && height > 0 ? width * height : T(0);
}

template <class T>
T positive_or_zero(T value) {
  return value > 0 ? value : T(0);  // a NaN is not positive
}

template <class T>
T iou(const Box<T>& a, const Box<T>& b) {
  const T common = overlap_area(a, b);
  return positive_or_zero(common / (a.area() + b.area() - common));
}

template <class T>
void nms(const SortedBoxes<T>& boxes, T iou_threshold, const KeptBoxes& kept) {
  for (int64_t image = 0; image < boxes.images; ++image) {
    const T* x1 = boxes.coordinates + image * 4 * boxes.count;
    const int64_t* groups = boxes.groups ? boxes.groups + image * boxes.count : nullptr;
    const auto box = [&](int64_t i) {
      return Box<T>{x1[i], x1[boxes.count + i], x1[2 * boxes.count + i], x1[3 * boxes.count + i]};
    };
    std::vector<int64_t> positions;
    const int64_t valid = boxes.valid ? boxes.valid[image] : boxes.count;
    for (int64_t i = 0; i < valid && static_cast<int64_t>(positions.size()) < kept.max_kept; ++i) {
      const bool dropped = std::any_of(positions.begin(), positions.end(), [&](int64_t k) {
        return (!groups || groups[k] == groups[i]) && iou(box(k), box(i)) > iou_threshold;
      });
      if (!dropped) positions.push_back(i);
    }
    kept.counts[image] = static_cast<int64_t>(positions.size());
    positions.resize(kept.max_kept, -1);
    std::copy(positions.begin(), positions.end(), kept.positions + image * kept.max_kept);
  }
}

/// One loop over all boxes as in the paper's figure 2. Returns how many are kept.
template <class T>
int64_t soft_nms(const ScoredBoxes<T>& boxes, const SoftNmsDecay<T>& decay, T min_score,
                 const SoftlyKept<T>& kept) {
  const auto box = [&](int64_t i) {
    const T* at = boxes.boxes + 4 * i;
    return Box<T>{at[0], at[1], at[2], at[3]};
  };
  std::vector<T> left(boxes.scores, boxes.scores + boxes.count);
  std::vector<bool> taken(left.size());
  int64_t count = 0;
  for (; count < kept.max_kept; ++count) {
    int64_t best = -1;
    for (int64_t i = 0; i < boxes.count; ++i) {
      if (!taken[i] && left[i] > min_score && (best < 0 || left[i] > left[best])) best = i;
    }
    if (best < 0) break;
    taken[best] = true;
    kept.indices[count] = best;
    kept.scores[count] = left[best];
    for (int64_t i = 0; i < boxes.count; ++i) {
      if (taken[i] || (boxes.groups && boxes.groups[i] != boxes.groups[best])) continue;
      const T overlap = iou(box(best), box(i));
      if (overlap == 0) continue;
      if (decay.gaussian) left[i] *= std::exp(-(overlap * overlap) / decay.sigma);
      if (!decay.gaussian && overlap >= decay.iou_threshold) left[i] *= 1 - overlap;
    }
  }
  return count;
}

inline void match_boxes(const MatchInput& input, const MatchOutput& output) {
  const auto box = [](const float* boxes, int64_t i) {
    return Box<float>{boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
  };
  const auto matrix_at = [&](int64_t i, int64_t t) {
    return iou(box(input.candidates, i), box(input.truths, t));
  };
  std::vector<float> best_of_truth(input.truth_count);
  for (int64_t t = 0; t < input.truth_count; ++t) {
    for (int64_t i = 0; i < input.candidate_count; ++i)
      best_of_truth[t] = std::max(best_of_truth[t], matrix_at(i, t));
  }
  for (int64_t i = 0; i < input.candidate_count; ++i) {
    output.truth[i] = input.truth_count > 0 ? 0 : -1;
    output.iou[i] = 0;
    output.best_of_truth[i] = false;
    output.ignored[i] = 0;
    for (int64_t t = 0; t < input.truth_count; ++t) {
      const float value = matrix_at(i, t);
      if (value > output.iou[i]) output.iou[i] = value, output.truth[i] = t;
      if (value > 0 && value == best_of_truth[t]) output.best_of_truth[i] = true;
    }
    const Box<float> candidate = box(input.candidates, i);
    for (int64_t r = 0; r < input.ignore_count; ++r) {
      const float common = overlap_area(candidate, box(input.ignore, r));
      output.ignored[i] = std::max(output.ignored[i], positive_or_zero(common / candidate.area()));
    }
  }
}

// ---- RoIs

/// Of (image, x1, y1, x2, y2): all numbers, on an image of the batch.
template <class R>
bool roi_counts(const R* roi, int64_t images) {
  const bool numbers = std::none_of(roi, roi + 5, [](R value) { return std::isnan(value); });
  return numbers && roi[0] >= 0 && roi[0] < static_cast<R>(images);
}

/// First cell and the one after the last of a RoIPool bin along one axis. Caffe's arithmetic is part of the
/// definition: R's rounding decides which cells a bin has.
template <class R>
struct PoolBin {
  PoolBin(R low, R high, double scale, int64_t bin, int64_t bins, int64_t length) {
    const R far = std::ldexp(R(1), 40);  // corners further out count as there
    const R start = std::round(std::clamp(low * static_cast<R>(scale), -far, far));
    const R stop = std::round(std::clamp(high * static_cast<R>(scale), -far, far));
    const int64_t size = std::max<int64_t>(static_cast<int64_t>(stop) - static_cast<int64_t>(start) + 1, 1);
    const R bin_size = static_cast<R>(size) / static_cast<R>(bins);
    const auto clip = [&](R edge) {
      return std::clamp<int64_t>(static_cast<int64_t>(edge) + static_cast<int64_t>(start), 0, length);
    };
    begin = clip(std::floor(static_cast<R>(bin) * bin_size));
    end = clip(std::ceil(static_cast<R>(bin + 1) * bin_size));
  }
  int64_t begin, end;
};

/// argmax as the kernels' but never null. A NaN beats every number, the last one of a bin the others.
template <class T>
void roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                      int32_t* argmax) {
  const Array map{shape.channels, shape.height, shape.width, shape.channels_last};
  const Array grid{shape.channels, shape.out_height, shape.out_width, shape.channels_last};
  for (int64_t k = 0; k < shape.rois; ++k) {
    const Real<T>* roi = rois + 5 * k;
    const bool counts = roi_counts(roi, shape.images);
    for (int64_t p = 0; p < shape.out_height; ++p) {
      for (int64_t q = 0; q < shape.out_width; ++q) {
        for (int64_t c = 0; c < shape.channels; ++c) {
          const int64_t out = grid(k, c, p, q);
          output[out] = from_real<T>(0);
          argmax[out] = -1;
          if (!counts) continue;
          const PoolBin<Real<T>> rows(roi[2], roi[4], shape.spatial_scale, p, shape.out_height, shape.height);
          const PoolBin<Real<T>> columns(roi[1], roi[3], shape.spatial_scale, q, shape.out_width,
                                         shape.width);
          for (int64_t y = rows.begin; y < rows.end; ++y) {
            for (int64_t x = columns.begin; x < columns.end; ++x) {
              const T value = features[map(static_cast<int64_t>(roi[0]), c, y, x)];
              if (argmax[out] >= 0 && to_real(value) <= to_real(output[out])) continue;
              if (std::isnan(to_real(output[out])) && !std::isnan(to_real(value))) continue;
              output[out] = value;
              argmax[out] = static_cast<int32_t>(y * shape.width + x);
            }
          }
        }
      }
    }
  }
}

/// What a kernel that sums reals may answer: value, give or take error.
struct Expected {
  double value = 0, error = 0;
};

/// How far a kernel's sums may lie from exact ones, relative to the sum of the terms' magnitudes. For
/// RoIAlign most of it is the rounding of the sample's position, some 1e-7 of coordinates up to a few hundred
/// cells.
template <class R>
constexpr double kRelativeError = sizeof(R) == sizeof(float) ? 1e-4 : 1e-11;

template <class T>
std::vector<Expected> roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                                        const int32_t* argmax) {
  const Array map{shape.channels, shape.height, shape.width, shape.channels_last};
  const Array grid{shape.channels, shape.out_height, shape.out_width, shape.channels_last};
  std::vector<Expected> gradient(shape.images * shape.channels * shape.height * shape.width);
  for (int64_t k = 0; k < shape.rois; ++k) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      for (int64_t p = 0; p < shape.out_height; ++p) {
        for (int64_t q = 0; q < shape.out_width; ++q) {
          const int64_t out = grid(k, c, p, q);
          if (argmax[out] < 0) continue;
          const int64_t y = argmax[out] / shape.width, x = argmax[out] % shape.width;
          Expected& cell = gradient[map(static_cast<int64_t>(rois[5 * k]), c, y, x)];
          const double term = to_real(grad_output[out]);
          cell.value += term;
          cell.error += kRelativeError<Real<T>> * std::abs(term);
        }
      }
    }
  }
  return gradient;
}

/// Calls visit(y, x, weight, doubtful) for the four cells around every sample of a bin of RoIAlign, positions
/// in double. doubtful: so close to where samples stop to count that a rounding decides whether this one
/// does.
template <class R, class Visit>
void visit_samples(const RoiAlignSpec<R>& spec, const R* roi, double scale, int64_t height, int64_t width,
                   int64_t p, int64_t q, Visit visit) {
  const double shift = spec.aligned ? 0.5 : 0, least = spec.aligned ? -HUGE_VAL : 1;
  const double left = roi[1] * scale - shift, top = roi[2] * scale - shift;
  const double bin_width =
      std::max(roi[3] * scale - shift - left, least) / static_cast<double>(spec.out_width);
  const double bin_height =
      std::max(roi[4] * scale - shift - top, least) / static_cast<double>(spec.out_height);
  const auto samples_of = [&](double bin_size) {
    return spec.sampling_ratio > 0 ? spec.sampling_ratio
                                   : static_cast<int64_t>(std::max(std::ceil(bin_size), 0.0));
  };
  const int64_t rows = samples_of(bin_height), columns = samples_of(bin_width);
  const auto near = [](double a, double b) { return std::abs(a - b) < 1e-4; };
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const double length_y = static_cast<double>(height), length_x = static_cast<double>(width);
      double y = top + (static_cast<double>(p) + (static_cast<double>(i) + 0.5) / static_cast<double>(rows)) *
                           bin_height;
      double x =
          left + (static_cast<double>(q) + (static_cast<double>(j) + 0.5) / static_cast<double>(columns)) *
                     bin_width;
      const bool doubtful = near(y, -1) || near(y, length_y) || near(x, -1) || near(x, length_x);
      const bool inside = y >= -1 && y <= length_y && x >= -1 && x <= length_x;  // false where NaN
      if (!doubtful && !inside) continue;
      y = std::clamp(y, 0.0, length_y - 1), x = std::clamp(x, 0.0, length_x - 1);
      for (int64_t cell_y = static_cast<int64_t>(y); cell_y < height && static_cast<double>(cell_y) < y + 1;
           ++cell_y) {
        for (int64_t cell_x = static_cast<int64_t>(x); cell_x < width && static_cast<double>(cell_x) < x + 1;
             ++cell_x) {
          const double weight = (1 - std::abs(y - static_cast<double>(cell_y))) *
                                (1 - std::abs(x - static_cast<double>(cell_x)));
          visit(cell_y, cell_x, weight / static_cast<double>(rows * columns), doubtful);
        }
      }
    }
  }
}

/// The level that RoI k is pooled from, null for none.
template <class R, class Cell>
const Level<Cell>* level_of(const RoiAlignSpec<R>& spec, const Pyramid<Cell>& pyramid, int64_t k) {
  const int64_t level = spec.levels ? spec.levels[k] : 0;
  const bool counts =
      roi_counts(spec.rois + 5 * k, pyramid.images) && level >= 0 && level < pyramid.level_count;
  return counts ? pyramid.levels + level : nullptr;
}

/// Needs finite features. With sampling_ratio 0 a bin size must not lie within a rounding of a whole number
/// of cells (corners in 64ths of a pixel and scales that are powers of two keep off).
template <class T>
std::vector<Expected> roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features) {
  const Array grid{features.channels, spec.out_height, spec.out_width, features.channels_last};
  std::vector<Expected> output(spec.roi_count * features.channels * spec.out_height * spec.out_width);
  for (int64_t k = 0; k < spec.roi_count; ++k) {
    const Level<const T>* level = level_of(spec, features, k);
    if (!level) continue;
    const Real<T>* roi = spec.rois + 5 * k;
    const Array map{features.channels, level->height, level->width, features.channels_last};
    double largest = 0;  // a neighbour that a rounding brings in may be the largest cell
    for (int64_t i = 0; i < features.images * features.channels * level->height * level->width; ++i)
      largest = std::max<double>(largest, std::abs(to_real(level->cells[i])));
    for (int64_t p = 0; p < spec.out_height; ++p) {
      for (int64_t q = 0; q < spec.out_width; ++q) {
        visit_samples(spec, roi, level->spatial_scale, level->height, level->width, p, q,
                      [&](int64_t y, int64_t x, double weight, bool doubtful) {
                        for (int64_t c = 0; c < features.channels; ++c) {
                          Expected& out = output[grid(k, c, p, q)];
                          const double term =
                              weight * to_real(level->cells[map(static_cast<int64_t>(roi[0]), c, y, x)]);
                          if (!doubtful) out.value += term;
                          out.error += doubtful ? std::abs(term) : 0;
                        }
                      });
        for (int64_t c = 0; c < features.channels; ++c) {
          Expected& out = output[grid(k, c, p, q)];
          const double rounding = sizeof(T) == sizeof(BFloat16) ? std::ldexp(1.0, -8) : 0;  // of the result
          out.error += kRelativeError<Real<T>> * largest + rounding * (std::abs(out.value) + out.error);
        }
      }
    }
  }
  return output;
}

/// One array a level, shaped as grad_features, whose cells are not touched.
template <class T>
std::vector<std::vector<Expected>> roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                                                      const Pyramid<Real<T>>& grad_features) {
  const Array grid{grad_features.channels, spec.out_height, spec.out_width, grad_features.channels_last};
  std::vector<std::vector<Expected>> gradient;
  std::vector<std::vector<double>> magnitude;
  for (int level = 0; level < grad_features.level_count; ++level) {
    const Level<Real<T>>& map = grad_features.levels[level];
    gradient.emplace_back(grad_features.images * grad_features.channels * map.height * map.width);
    magnitude.emplace_back(gradient.back().size());
  }
  for (int64_t k = 0; k < spec.roi_count; ++k) {
    const Level<Real<T>>* level = level_of(spec, grad_features, k);
    if (!level) continue;
    const Real<T>* roi = spec.rois + 5 * k;
    const Array map{grad_features.channels, level->height, level->width, grad_features.channels_last};
    const int64_t index = level - grad_features.levels;
    for (int64_t p = 0; p < spec.out_height; ++p) {
      for (int64_t q = 0; q < spec.out_width; ++q) {
        visit_samples(spec, roi, level->spatial_scale, level->height, level->width, p, q,
                      [&](int64_t y, int64_t x, double weight, bool doubtful) {
                        for (int64_t c = 0; c < grad_features.channels; ++c) {
                          const int64_t cell = map(static_cast<int64_t>(roi[0]), c, y, x);
                          const double term = weight * to_real(grad_output[grid(k, c, p, q)]);
                          if (!doubtful) gradient[index][cell].value += term;
                          gradient[index][cell].error += doubtful ? std::abs(term) : 0;
                          magnitude[index][cell] += std::abs(term);
                        }
                      });
      }
    }
  }
  for (size_t level = 0; level < gradient.size(); ++level) {
    // A rounding of a position may move a little of a neighbour's weight here.
    const double largest =
        magnitude[level].empty() ? 0 : *std::max_element(magnitude[level].begin(), magnitude[level].end());
    for (Expected& cell : gradient[level]) cell.error += kRelativeError<Real<T>> * largest;
  }
  return gradient;
}

/// The gradient of the RoIs, [roi_count, 5]. What samples read is a surface of planes, whose slopes are taken
/// as differences on either side of a sample: where they differ, in a kink, a rounding decides which one
/// counts.
template <class T>
std::vector<Expected> roi_align_backward_rois(const RoiAlignSpec<Real<T>>& spec,
                                              const Pyramid<const T>& features, const T* grad_output) {
  constexpr double kStep = 0x1p-12;
  const Array grid{features.channels, spec.out_height, spec.out_width, features.channels_last};
  std::vector<Expected> gradient(5 * spec.roi_count);
  for (int64_t k = 0; k < spec.roi_count; ++k) {
    const Level<const T>* level = level_of(spec, features, k);
    if (!level) continue;
    const Real<T>* roi = spec.rois + 5 * k;
    const Array map{features.channels, level->height, level->width, features.channels_last};
    const auto cell = [&](int64_t c, int64_t y, int64_t x) -> double {
      return to_real(level->cells[map(static_cast<int64_t>(roi[0]), c, y, x)]);
    };
    const auto surface = [&](int64_t c, double y, double x) {
      y = std::clamp(y, 0.0, static_cast<double>(level->height - 1));
      x = std::clamp(x, 0.0, static_cast<double>(level->width - 1));
      const auto top = static_cast<int64_t>(y), left = static_cast<int64_t>(x);
      const int64_t bottom = std::min(top + 1, level->height - 1),
                    right = std::min(left + 1, level->width - 1);
      const double down = y - static_cast<double>(top), across = x - static_cast<double>(left);
      return (1 - down) * ((1 - across) * cell(c, top, left) + across * cell(c, top, right)) +
             down * ((1 - across) * cell(c, bottom, left) + across * cell(c, bottom, right));
    };
    double largest = 0;
    for (int64_t i = 0; i < features.images * features.channels * level->height * level->width; ++i)
      largest = std::max<double>(largest, std::abs(to_real(level->cells[i])));

    struct Side {
      double low, size;
      bool held, doubtful;  ///< at the size of one cell; so close to it that a rounding decides
      int64_t bins, samples;

      double share(int64_t bin, int64_t sample) const {
        return (static_cast<double>(bin) +
                (static_cast<double>(sample) + 0.5) / static_cast<double>(samples)) /
               static_cast<double>(bins);
      }
    };
    const auto side = [&](double low, double high, int64_t bins) {
      const double size = (high - low) * level->spatial_scale;
      const bool held = !spec.aligned && size <= 1;
      const double used = held ? 1 : size, most = std::max(std::ceil(used / static_cast<double>(bins)), 0.0);
      return Side{.low = low * level->spatial_scale - (spec.aligned ? 0.5 : 0),
                  .size = used,
                  .held = held,
                  .doubtful = !spec.aligned && std::abs(size - 1) < 1e-4,
                  .bins = bins,
                  .samples = spec.sampling_ratio > 0 ? spec.sampling_ratio : static_cast<int64_t>(most)};
    };
    const Side sides[] = {side(roi[1], roi[3], spec.out_width), side(roi[2], roi[4], spec.out_height)};
    const auto& [along_x, along_y] = sides;
    const auto near = [](double a, double b) { return std::abs(a - b) < 1e-4; };

    Expected* corners = gradient.data() + 5 * k + 1;
    for (int64_t p = 0; p < spec.out_height; ++p) {
      for (int64_t q = 0; q < spec.out_width; ++q) {
        for (int64_t i = 0; i < along_y.samples; ++i) {
          for (int64_t j = 0; j < along_x.samples; ++j) {
            const double shares[] = {along_x.share(q, j), along_y.share(p, i)};
            const double x = along_x.low + shares[0] * along_x.size,
                         y = along_y.low + shares[1] * along_y.size;
            const double height = static_cast<double>(level->height),
                         width = static_cast<double>(level->width);
            const bool doubtful = near(y, -1) || near(y, height) || near(x, -1) || near(x, width);
            const bool inside = y >= -1 && y <= height && x >= -1 && x <= width;
            if (!doubtful && !inside) continue;
            for (int64_t c = 0; c < features.channels; ++c) {
              const double weight = to_real(grad_output[grid(k, c, p, q)]) * level->spatial_scale /
                                    static_cast<double>(along_y.samples * along_x.samples);
              for (int axis = 0; axis < 2; ++axis) {
                const auto at = [&](int steps) {
                  return weight *
                         (axis == 0 ? surface(c, y, x + steps * kStep) : surface(c, y + steps * kStep, x));
                };
                const double before = (at(-1) - at(-2)) / kStep, after = (at(2) - at(1)) / kStep;
                const double upper = sides[axis].held ? 0 : shares[axis];
                corners[axis].value += doubtful ? 0 : after * (1 - upper);
                corners[axis + 2].value += doubtful ? 0 : after * upper;
                double error =
                    std::abs(after - before) + kRelativeError<Real<T>> * std::abs(weight) * largest;
                if (doubtful || sides[axis].doubtful) error += std::abs(after);
                corners[axis].error += error, corners[axis + 2].error += error;
              }
            }
          }
        }
      }
    }
  }
  return gradient;
}

// ---- deformable convolution

/// The share of a cell in a sample along an axis: a hat around the cell.
inline double hat(double position, int64_t cell) {
  return std::max(0.0, 1 - std::abs(position - static_cast<double>(cell)));
}

/// Calls visit(c, cells, column, y, x, moved) for every channel of every tap at these positions: the first
/// number of the channel's cells, the index of its column, where the tap reads, and the index of its dy.
template <class R, class Visit>
void visit_columns(const DeformConvShape& shape, const R* offsets, Positions positions, Visit visit) {
  const int64_t of_group = shape.channels / shape.groups, taps = shape.kernel_height * shape.kernel_width;
  for (int64_t i = 0; i < positions.count; ++i) {
    const int64_t position = positions.first + i, image = position / (shape.out_height * shape.out_width);
    const int64_t out_y = position / shape.out_width % shape.out_height, out_x = position % shape.out_width;
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < shape.channels; ++c) {
        const int64_t offset_group = c / (shape.channels / shape.offset_groups);
        const int64_t moved = ((position * shape.offset_groups + offset_group) * taps + tap) * 2;
        const int64_t y =
            out_y * shape.stride_y - shape.padding_y + tap / shape.kernel_width * shape.dilation_y;
        const int64_t x =
            out_x * shape.stride_x - shape.padding_x + tap % shape.kernel_width * shape.dilation_x;
        visit(image * shape.height * shape.width * shape.channels + c,
              ((c / of_group * positions.count + i) * taps + tap) * of_group + c % of_group,
              static_cast<double>(y) + offsets[moved], static_cast<double>(x) + offsets[moved + 1], moved);
      }
    }
  }
}

/// A sample at (y, x), NaN where one of these is.
template <class T>
double hat_sample(const DeformConvShape& shape, const T* channel, double y, double x) {
  if (std::isnan(y) || std::isnan(x)) return NAN;
  double sum = 0;
  for (int64_t row = 0; row < shape.height; ++row) {
    for (int64_t column = 0; column < shape.width; ++column)
      sum += hat(y, row) * hat(x, column) * to_real(channel[(row * shape.width + column) * shape.channels]);
  }
  return sum;
}

template <class T>
std::vector<Expected> deform_conv_columns(const DeformConvShape& shape, const Real<T>* offsets,
                                          const T* features, Positions positions) {
  std::vector<Expected> columns(positions.count * shape.kernel_height * shape.kernel_width * shape.channels);
  visit_columns(shape, offsets, positions, [&](int64_t channel, int64_t column, double y, double x, int64_t) {
    double largest = 0;
    for (int64_t i = 0; i < shape.height * shape.width; ++i)
      largest = std::max<double>(largest, std::abs(to_real(features[channel + i * shape.channels])));
    columns[column] = {hat_sample(shape, features + channel, y, x), kRelativeError<Real<T>> * largest};
  });
  return columns;
}

/// Of offsets that are NaN, or multiples of 1/64 so small that positions are too: the slope towards higher
/// coordinates is then the same for half a 64th. Of a NaN in one direction it is NaN in the other.
template <class T>
std::vector<Expected> deform_conv_backward_offsets(const DeformConvShape& shape, const Real<T>* offsets,
                                                   const T* features, Positions positions,
                                                   const Real<T>* grad_columns) {
  constexpr double kStep = 0x1p-7;
  const int64_t of_position = 2 * shape.offset_groups * shape.kernel_height * shape.kernel_width;
  std::vector<Expected> gradient(positions.count * of_position);
  visit_columns(
      shape, offsets, positions, [&](int64_t channel, int64_t column, double y, double x, int64_t moved) {
        const auto at = [&](double dy, double dx) {
          return hat_sample(shape, features + channel, y + dy, x + dx);
        };
        double largest = 0;
        for (int64_t i = 0; i < shape.height * shape.width; ++i)
          largest = std::max<double>(largest, std::abs(to_real(features[channel + i * shape.channels])));
        const double grad = grad_columns[column];
        Expected* of = gradient.data() + moved - positions.first * of_position;
        of[0].value += std::isnan(x) ? NAN : std::isnan(y) ? 0 : grad * (at(kStep, 0) - at(0, 0)) / kStep;
        of[1].value += std::isnan(y) ? NAN : std::isnan(x) ? 0 : grad * (at(0, kStep) - at(0, 0)) / kStep;
        for (int axis = 0; axis < 2; ++axis)
          of[axis].error += kRelativeError<Real<T>> * std::abs(grad) * largest;
      });
  return gradient;
}

template <class R>
std::vector<Expected> deform_conv_backward_features(const DeformConvShape& shape, const R* offsets,
                                                    Positions positions, const R* grad_columns) {
  std::vector<Expected> gradient(shape.images * shape.height * shape.width * shape.channels);
  visit_columns(shape, offsets, positions, [&](int64_t channel, int64_t column, double y, double x, int64_t) {
    if (std::isnan(y) || std::isnan(x)) return;
    for (int64_t cell = 0; cell < shape.height * shape.width; ++cell) {
      const double weight = hat(y, cell / shape.width) * hat(x, cell % shape.width);
      Expected& sum = gradient[channel + cell * shape.channels];
      sum.value += weight * grad_columns[column];
      // A rounding of a position may bring a little of what lies next to it.
      sum.error += kRelativeError<R> * std::abs(grad_columns[column]);
    }
  });
  return gradient;
}

}  // namespace rcnn::ops::kernels::reference
