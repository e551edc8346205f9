#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "tests/ops/kernels/random_inputs.h"
#include "tests/ops/kernels/reference.h"

/// Random arguments of each launcher, and the memory that they point to.
namespace rcnn::ops::kernels::test {

template <class T>
struct NmsCase {
  NmsCase(Random& random, int64_t images, int64_t count, double extent)
      : coordinates(images * 4 * count), groups(images * count), valid(images) {
    const bool coarse = random.once_in(2);
    for (int64_t n = 0; n < images; ++n) {
      valid[n] = random.between(0, count);
      for (int64_t i = 0; i < count; ++i) {
        T box[4];
        random_box(random, coarse, extent, box);
        for (int64_t side = 0; side < 4; ++side) coordinates[(n * 4 + side) * count + i] = box[side];
        groups[n * count + i] = random.between(-1, 1) * (int64_t{1} << 40);
      }
    }
    iou_threshold = random.one_of<T>({0, T(0.3), T(0.5), T(0.7), 1});
    if (coarse && count > 1 && images > 0 &&
        random.once_in(2)) {  // exactly some IoU, or the next number below
      const auto box = [&](int64_t i) {
        const T* x1 = coordinates.data() + i;
        return reference::Box<T>{x1[0], x1[count], x1[2 * count], x1[3 * count]};
      };
      iou_threshold = reference::iou(box(random.below(count)), box(random.below(count)));
      if (iou_threshold > 0 && random.once_in(2)) iou_threshold = std::nextafter(iou_threshold, T(0));
    }
    max_kept = random.one_of<int64_t>({1, 5, 64, 65, count + 1, count + 70, 1 + random.below(count + 1)});
    boxes = {coordinates.data(), random.once_in(2) ? groups.data() : nullptr,
             random.once_in(2) ? valid.data() : nullptr, images, count};
  }

  std::vector<T> coordinates;
  std::vector<int64_t> groups, valid;
  SortedBoxes<T> boxes;
  T iou_threshold;
  int64_t max_kept;
};

template <class T>
struct SoftNmsCase {
  explicit SoftNmsCase(Random& random) {
    const int64_t count = random.one_of<int64_t>({0, 1, 2, random.below(100), random.below(200)});
    const bool coarse = random.once_in(2), tied = random.once_in(2);
    coordinates.resize(4 * count);
    for (int64_t i = 0; i < count; ++i) {
      random_box(random, coarse, 20, coordinates.data() + 4 * i);
      const double score = random.uniform(-0.1, 1);
      scores.push_back(static_cast<T>(tied ? std::round(score * 4) / 4 : score));
      if (random.once_in(30)) scores.back() = std::numeric_limits<T>::quiet_NaN();
      groups.push_back(random.between(-1, 1) * (int64_t{1} << 40));
    }
    boxes = {coordinates.data(), scores.data(), random.once_in(2) ? groups.data() : nullptr, count};
    decay = {random.once_in(2), random.one_of<T>({0, T(0.3), T(0.5), 1}),
             random.one_of<T>({T(0.1), T(0.5), 2})};
    min_score = random.one_of<T>({0, T(0.05), T(0.25)});
    max_kept = random.one_of<int64_t>({0, 1, 5, count, count + 7});
  }

  std::vector<T> coordinates, scores;
  std::vector<int64_t> groups;
  ScoredBoxes<T> boxes;
  SoftNmsDecay<T> decay;
  T min_score;
  int64_t max_kept;
};

struct MatchCase {
  explicit MatchCase(Random& random) {
    const auto draw = [&](int64_t count) {
      const bool coarse = random.once_in(2);
      std::vector<float> values(4 * count);
      for (int64_t i = 0; i < count; ++i) random_box(random, coarse, 20, values.data() + 4 * i);
      return values;
    };
    candidates = draw(random.one_of<int64_t>({0, 1, 31, 256, 257, random.below(600)}));
    truths = draw(random.one_of<int64_t>({0, 1, 2, random.below(20), random.below(20), 255, 256, 257, 520}));
    ignore = draw(random.below(4));
    input = {candidates.data(), truths.data(), ignore.data(),
             count(candidates), count(truths), count(ignore)};
  }

  static int64_t count(const std::vector<float>& boxes) { return static_cast<int64_t>(boxes.size()) / 4; }

  std::vector<float> candidates, truths, ignore;
  MatchInput input;
};

template <class T>
struct RoiPoolCase {
  /// Maps of up to `extent` cells each way.
  RoiPoolCase(Random& random, int64_t extent) {
    using R = Real<T>;
    shape = {.images = random_images(random),
             .channels = random_channels(random),
             .height = random.between(1, extent),
             .width = random.between(1, extent),
             .rois = random.below(10),
             .out_height = random.between(1, 7),
             .out_width = random.one_of<int64_t>({random.between(1, 7), random.between(1, 20)}),
             .spatial_scale = random.one_of({1.0, 0.5, 0.0625, 0.3}),
             .channels_last = random.once_in(2)};
    features = random_values<T>(random, shape.images * shape.channels * shape.height * shape.width);
    for (T& value : features) {
      if (random.once_in(200)) value = from_real<T>(std::numeric_limits<R>::quiet_NaN());
    }
    rois = random_rois<R>(random, shape.rois, shape.images,
                          shape.spatial_scale * 12 / static_cast<double>(extent));
    for (R& corner : rois) {
      if (random.once_in(100)) corner = random.one_of({-1, 1}) * std::numeric_limits<R>::infinity();
    }
    grad_output = random_values<T>(random, size());
  }

  int64_t size() const { return shape.rois * shape.channels * shape.out_height * shape.out_width; }

  RoiPoolShape shape;
  std::vector<T> features, grad_output;
  std::vector<Real<T>> rois;
};

template <class T>
struct RoiAlignCase {
  using R = Real<T>;

  /// Maps of up to `extent` cells each way.
  RoiAlignCase(Random& random, int64_t extent) {
    features = {.levels = {},
                .level_count = static_cast<int>(random.between(1, 4)),
                .images = random_images(random),
                .channels = random_channels(random),
                .channels_last = random.once_in(2)};
    const int sampling_ratio = random.once_in(20) ? 45 : static_cast<int>(random.below(4));
    const double scale =
        sampling_ratio == 0 ? random.one_of({1.0, 0.25, 0.0625}) : random.one_of({1.0, 0.0625, 0.3});
    const int64_t roi_count = sampling_ratio > 4 ? random.below(2) : random.below(10);
    for (int i = 0; i < features.level_count; ++i) {
      const int64_t height = random.between(1, extent), width = random.between(1, extent);
      maps.push_back(random_values<T>(random, features.images * features.channels * height * width));
      features.levels[i] = {maps.back().data(), height, width, std::ldexp(scale, -i)};
    }
    // For adaptive sampling by a power of two, so that corners stay whole 64ths and bin sizes off rounding.
    const double spread = sampling_ratio == 0
                              ? std::exp2(std::round(std::log2(static_cast<double>(extent) / 12)))
                              : static_cast<double>(extent) / 12;
    rois = random_rois<R>(random, roi_count, features.images, scale / spread);
    if (sampling_ratio > 0 && !rois.empty() && random.once_in(10))
      rois[random.below(static_cast<int64_t>(rois.size()))] = std::numeric_limits<R>::infinity();
    levels.resize(roi_count);
    for (int64_t& level : levels)
      level = random.between(0, features.level_count - 1) - random.once_in(20) + random.once_in(20);
    spec = {.rois = rois.data(),
            .levels = random.once_in(4) ? nullptr : levels.data(),
            .roi_count = roi_count,
            .out_height = random.between(1, 7),
            .out_width = random.between(1, 7),
            .sampling_ratio = sampling_ratio,
            .aligned = random.once_in(2)};
    grad_output = random_values<T>(random, size());
  }

  int64_t size() const { return spec.roi_count * features.channels * spec.out_height * spec.out_width; }

  /// As the features', over memory of each level's own.
  Pyramid<R> grad_features(std::vector<std::vector<R>>& gradients) const {
    Pyramid<R> pyramid{.levels = {},
                       .level_count = features.level_count,
                       .images = features.images,
                       .channels = features.channels,
                       .channels_last = features.channels_last};
    gradients.resize(features.level_count);
    for (int i = 0; i < features.level_count; ++i) {
      const Level<const T>& level = features.levels[i];
      gradients[i].assign(maps[i].size(), R(77));  // has to be overwritten
      pyramid.levels[i] = {gradients[i].data(), level.height, level.width, level.spatial_scale};
    }
    return pyramid;
  }

  std::vector<std::vector<T>> maps;
  std::vector<R> rois;
  std::vector<int64_t> levels;
  Pyramid<const T> features;
  RoiAlignSpec<R> spec;
  std::vector<T> grad_output;
};

template <class T>
struct DeformConvCase {
  using R = Real<T>;

  explicit DeformConvCase(Random& random) {
    const int64_t groups = random.between(1, 3), offset_groups = random.between(1, 3);
    shape = {
        .images = random_images(random),
        .channels = std::lcm(groups, offset_groups) * random.one_of<int64_t>({1, 2, 3, 4, 8, 16, 20, 35}),
        .height = random.between(1, 9),
        .width = random.between(1, 9),
        .out_height = 0,
        .out_width = 0,
        .kernel_height = random.between(1, 3),
        .kernel_width = random.between(1, 4),
        .stride_y = random.between(1, 3),
        .stride_x = random.between(1, 2),
        .padding_y = random.below(4),
        .padding_x = random.below(4),
        .dilation_y = random.between(1, 3),
        .dilation_x = random.between(1, 3),
        .groups = groups,
        .offset_groups = offset_groups};
    const auto length = [](int64_t map, int64_t padding, int64_t dilation, int64_t kernel, int64_t stride) {
      return std::max<int64_t>(map + 2 * padding - dilation * (kernel - 1) - 1, 0) / stride + 1;
    };
    shape.out_height =
        length(shape.height, shape.padding_y, shape.dilation_y, shape.kernel_height, shape.stride_y);
    shape.out_width =
        length(shape.width, shape.padding_x, shape.dilation_x, shape.kernel_width, shape.stride_x);
    features = random_values<T>(random, shape.images * shape.cells() * shape.channels);
    const bool whole = random.once_in(4), none = random.once_in(8);
    offsets.resize(shape.positions() * shape.offset_groups * shape.taps() * 2);
    for (R& offset : offsets) {
      const double cells = none ? 0 : random.uniform(-5, 5);
      offset = static_cast<R>(std::round(whole ? cells : cells * 64) / (whole ? 1 : 64));
      if (random.once_in(50))
        offset = random.one_of<R>({R(-1e30), R(1e30), -std::numeric_limits<R>::infinity(),
                                   std::numeric_limits<R>::infinity(), std::numeric_limits<R>::quiet_NaN(),
                                   R(-1e9), R(0x1p40)});
    }
    positions.first = random.once_in(2) ? 0 : random.below(shape.positions() + 1);
    positions.count = random.once_in(2) ? shape.positions() - positions.first
                                        : random.below(shape.positions() - positions.first + 1);
    grad_columns = random_values<R>(random, positions.count * shape.taps() * shape.channels);
  }

  int64_t offsets_of_position() const { return shape.offset_groups * shape.taps() * 2; }

  DeformConvShape shape;
  Positions positions;
  std::vector<T> features;
  std::vector<R> offsets, grad_columns;
};

}  // namespace rcnn::ops::kernels::test
