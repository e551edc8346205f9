#pragma once

#include <string>
#include <vector>

namespace rcnn::vis {

/// One direction of a plot: which values it shows, and where.
class Axis {
 public:
  /// Of finite values, in any order; of a logarithmic axis above 0. Values that are all equal get room on
  /// both sides.
  Axis(const std::vector<double>& values, bool logarithmic);

  /// Where a value is, as a share of the axis: within 0..1 for those it was made of.
  double place(double value) const;

  /// The value that has this place.
  double value(double place) const;

  struct Tick {
    double place;
    std::string label;  ///< none for a small one
  };
  /// At round values, about `count` of them with a label.
  std::vector<Tick> ticks(int count) const;

 private:
  double scaled(double value) const;
  std::vector<Tick> linear_ticks(int count) const;
  std::vector<Tick> logarithmic_ticks(int count) const;

  const bool logarithmic_;
  double low_ = 0, high_ = 1;  // scaled
};

}  // namespace rcnn::vis
