#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include <c10/util/Exception.h>

#include <rcnn/data/loading/sample.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/data/tools/anchor_coverage.h>

namespace rcnn::data {
namespace {

constexpr int64_t kSampled = 5000;

/// The cells of one level along one side of the image, `spacing` pixels apart from 0 on.
struct Side {
  float spacing = 0, cells = 0;

  /// The largest overlap of a box from `low` to `high` with an anchor reaching `half` around the `middle` of
  /// a cell, which is that far from its corner; negative when there is none. The overlap falls with the
  /// distance of the centres, so the nearest cell has it. With an `image` given, only anchors inside of it
  /// count.
  float overlap(float low, float high, float half, float middle, const float* image) const {
    float first = 0, last = cells - 1;
    if (image != nullptr) {
      first = std::max(first, std::ceil((half - middle) / spacing));
      last = std::min(last, std::floor((*image - half - middle) / spacing));
    }
    if (first > last) return -1;
    const float nearest = std::nearbyint(((low + high) / 2 - middle) / spacing);
    const float centre = middle + spacing * std::clamp(nearest, first, last);
    return std::min(high, centre + half) - std::max(low, centre - half);
  }
};

/// Half the sides of an anchor, and its centre from the cell's corner.
struct Shape {
  float width = 0, height = 0;
  float x = 0, y = 0;
};

class Coverage {
 public:
  /// Of `anchors` the spacing and the convention count.
  Coverage(std::span<const ScaledBox> boxes, const boxes::AnchorOptions& anchors, const AnchorMaps& maps)
      : boxes_(boxes), maps_(maps), convention_(anchors.convention) {
    std::map<std::pair<int64_t, int64_t>, size_t> known;
    for (const auto& box : boxes_) {
      const auto [entry, is_new] =
          known.try_emplace(std::pair(box.image.height, box.image.width), grids_.size());
      if (is_new) grids_.push_back(grid(maps_.sizes(box.image), anchors.spacing));
      grid_of_.push_back(entry->second);
    }
  }

  std::vector<float> best_ious(const boxes::AnchorOptions& anchors) const {
    const auto shapes = shapes_of(anchors);
    std::vector<float> best;
    best.reserve(boxes_.size());
    for (size_t i = 0; i < boxes_.size(); ++i)
      best.push_back(best_iou(boxes_[i], grids_[grid_of_[i]], shapes));
    return best;
  }

  double mean(const boxes::AnchorOptions& anchors) const {
    const auto best = best_ious(anchors);
    return std::accumulate(best.begin(), best.end(), 0.0) / static_cast<double>(best.size());
  }

 private:
  struct Level {
    Side x, y;
  };
  using Grid = std::vector<Level>;

  /// boxes::AnchorGenerator's rule.
  Grid grid(const std::vector<ImageSize>& sizes, boxes::AnchorOptions::Spacing spacing) const {
    TORCH_CHECK(sizes.size() == maps_.strides.size(), "anchor coverage: expected ", maps_.strides.size(),
                " maps, got ", sizes.size());
    const int64_t finest = maps_.strides.front();
    Grid levels;
    for (size_t i = 0; i < sizes.size(); ++i) {
      const auto side = [&](int64_t cells, int64_t finest_cells) {
        const bool fitted = spacing == boxes::AnchorOptions::Spacing::fitted && cells > 0;
        return Side{static_cast<float>(fitted ? finest * finest_cells / cells : maps_.strides[i]),
                    static_cast<float>(cells)};
      };
      levels.push_back({side(sizes[i].width, sizes[0].width), side(sizes[i].height, sizes[0].height)});
    }
    return levels;
  }

  /// Of the anchors around the first cell of each level, whose corner is (0, 0).
  std::vector<std::vector<Shape>> shapes_of(const boxes::AnchorOptions& anchors) const {
    boxes::AnchorGenerator generator(anchors, maps_.strides);
    std::vector<std::vector<Shape>> levels;
    for (const auto& cell :
         generator.anchors(std::vector<ImageSize>(maps_.strides.size(), {1, 1}), at::kCPU)) {
      auto& shapes = levels.emplace_back();
      const auto* corners = cell.const_data_ptr<float>();
      for (int64_t i = 0; i < cell.size(0); ++i, corners += 4) {
        const float x = (corners[0] + corners[2]) / 2, y = (corners[1] + corners[3]) / 2;
        shapes.push_back({.width = corners[2] - x, .height = corners[3] - y, .x = x, .y = y});
      }
    }
    return levels;
  }

  /// The last edge that boxes::inside() allows.
  float limit(int64_t length) const {
    const auto edge = static_cast<float>(length);
    return convention_ == boxes::Convention::pixels ? std::nextafter(edge + 1, 0.F) : edge;
  }

  float best_iou(const ScaledBox& truth, const Grid& grid,
                 const std::vector<std::vector<Shape>>& shapes) const {
    const Box& box = truth.box;
    const float image_width = limit(truth.image.width), image_height = limit(truth.image.height);
    const float area = box.width() * box.height();
    float best = 0;
    for (size_t level = 0; level < grid.size(); ++level) {
      for (const auto& shape : shapes[level]) {
        const float x = grid[level].x.overlap(box.x1, box.x2, shape.width, shape.x,
                                              maps_.inside ? &image_width : nullptr);
        const float y = grid[level].y.overlap(box.y1, box.y2, shape.height, shape.y,
                                              maps_.inside ? &image_height : nullptr);
        if (x <= 0 || y <= 0) continue;
        best = std::max(best, x * y / (area + 4 * shape.width * shape.height - x * y));
      }
    }
    return best;
  }

  std::span<const ScaledBox> boxes_;
  const AnchorMaps& maps_;
  boxes::Convention convention_;
  std::vector<Grid> grids_;  // one for each size of an image
  std::vector<size_t> grid_of_;
};

/// `count` values that cut the sorted `values` into as many equal parts as there are.
std::vector<double> quantiles(std::vector<double> values, size_t count) {
  std::sort(values.begin(), values.end());
  std::vector<double> result;
  for (size_t i = 0; i < count; ++i) result.push_back(values[(2 * i + 1) * values.size() / (2 * count)]);
  return result;
}

boxes::AnchorOptions from_quantiles(std::span<const ScaledBox> boxes, boxes::AnchorOptions anchors) {
  std::vector<double> sizes, ratios;
  for (const auto& [box, image, label, record] : boxes) {
    sizes.push_back(std::sqrt(double{box.width()} * box.height()));
    ratios.push_back(double{box.height()} / box.width());
  }
  anchors.sizes = quantiles(std::move(sizes), anchors.sizes.size());
  anchors.ratios = quantiles(std::move(ratios), anchors.ratios.size());
  return anchors;
}

/// Whole pixels and two decimals, within what a config may hold.
boxes::AnchorOptions rounded(boxes::AnchorOptions anchors) {
  for (double& size : anchors.sizes) size = std::max(1.0, std::round(size));
  for (double& ratio : anchors.ratios) ratio = std::clamp(std::round(100 * ratio) / 100, 0.01, 100.0);
  std::sort(anchors.sizes.begin(), anchors.sizes.end());
  std::sort(anchors.ratios.begin(), anchors.ratios.end());
  return anchors;
}

/// Multiplies one size or ratio at a time by ever smaller steps, as long as that helps. Sizes keep ascending:
/// on a pyramid each belongs to a level.
boxes::AnchorOptions climb(const Coverage& coverage, boxes::AnchorOptions anchors) {
  double score = coverage.mean(anchors);
  for (const double step : {1.5, 1.25, 1.1, 1.05, 1.02}) {
    for (bool better = true; std::exchange(better, false);) {
      for (auto* values : {&anchors.sizes, &anchors.ratios}) {
        for (double& value : *values) {
          for (const double factor : {step, 1 / step}) {
            const double before = std::exchange(value, value * factor);
            const double now = std::is_sorted(anchors.sizes.begin(), anchors.sizes.end()) && value < 1e5
                                   ? coverage.mean(anchors)
                                   : 0;
            if (now > score + 1e-5) {
              score = now;
              better = true;
            } else {
              value = before;
            }
          }
        }
      }
    }
  }
  return anchors;
}

}  // namespace

std::vector<ScaledBox> scaled_boxes(const Dataset& dataset, int64_t min_size, int64_t max_size, Resize resize,
                                    boxes::Convention convention) {
  const bool pixels = convention == boxes::Convention::pixels;
  std::vector<ScaledBox> result;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const Record& record = dataset.record(i);
    const ImageSize size = resized(record.size, min_size, max_size, resize);
    const float x = static_cast<float>(size.width) / static_cast<float>(record.size.width);
    const float y = static_cast<float>(size.height) / static_cast<float>(record.size.height);
    for (const Object& object : record.objects) {
      if (object.ignore) continue;
      Box box = object.box;
      box = {box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y};
      if (pixels) {  // its last pixel becomes one of the network's
        box.x2 += 1 - x;
        box.y2 += 1 - y;
      }
      result.push_back({box, size, object.label, i});
    }
  }
  return result;
}

std::vector<float> best_anchor_ious(std::span<const ScaledBox> boxes, const boxes::AnchorOptions& anchors,
                                    const AnchorMaps& maps) {
  return Coverage(boxes, anchors, maps).best_ious(anchors);
}

boxes::AnchorOptions better_anchors(std::span<const ScaledBox> boxes, const boxes::AnchorOptions& anchors,
                                    const AnchorMaps& maps) {
  if (boxes.empty()) return anchors;
  std::vector<ScaledBox> sampled;
  for (const int64_t i : sample(std::ssize(boxes), kSampled, 0)) sampled.push_back(boxes[i]);
  const Coverage coverage(sampled, anchors, maps);
  const auto from_present = rounded(climb(coverage, rounded(anchors)));
  const auto from_boxes = rounded(climb(coverage, from_quantiles(sampled, anchors)));
  return coverage.mean(from_boxes) > coverage.mean(from_present) ? from_boxes : from_present;
}

}  // namespace rcnn::data
