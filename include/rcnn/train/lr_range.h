#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/train/trainer.h>

namespace rcnn::train {

/// A learning rate range test (Smith, "Cyclical Learning Rates for Training Neural Networks", section 3.3):
/// a short training whose rate grows by the same factor in every iteration, and the loss at each rate.
struct LrRangeOptions {
  double from = 1e-6, to = 1;  ///< rates of the solver; base_batch has no part in them
  int64_t iterations = 100;
};

/// The options of a training, changed to those of the test: its schedule, length and reports, without
/// warm-up, base_batch and averaged weights. Throws c10::Error unless 0 < from < to and iterations > 0.
RCNN_EXPORT TrainOptions lr_range_options(TrainOptions options, const LrRangeOptions& range);

/// The loss at a rate.
struct LrPoint {
  double lr = 0;
  double loss = 0;  ///< of one batch, the sum of its parts
};

/// Runs `trainer`, made with lr_range_options, to its end or to where the loss diverges: where it is no
/// longer finite, or its exponential mean (over a tenth of the run, bias-corrected, as fastai's) exceeds four
/// times its lowest so far. The weights are of no use afterwards. Calls `on_progress`, if there is one, after
/// every iteration, and asks `interrupted`: true ends it with the points so far. Throws what Trainer::fit
/// throws but NonFiniteError.
RCNN_EXPORT std::vector<LrPoint> run_lr_range(Trainer& trainer,
                                              const std::function<void(const Progress&)>& on_progress = {},
                                              const std::function<bool()>& interrupted = {});

/// What the points of a range test say.
struct LrSuggestion {
  /// Twice the largest loss of the first half: higher ones count as this, so that an explosion at the end
  /// neither bends the line before it nor fills a plot.
  double ceiling = 0;
  /// The loss without most of its noise, one for each point: a line of least squares through the fifth of the
  /// points around it, over log(lr). A mean of the past alone would put everything at too high a rate.
  std::vector<double> smoothed;
  /// Where the smoothed loss falls steepest over log(lr), and where it is lowest. The first is a rate to
  /// train with, as is a tenth of the second (fastai's two customs); neither is there without a clear fall.
  std::optional<double> steepest, lowest;
  std::string remark;  ///< why there is no suggestion, or what to mind about it; may be empty
};

/// Finds the suggestion in points of growing rates, at equal steps of log(lr), whose losses are finite. A
/// fall is clear when it is a hundredth of the loss, and ten times what the smoothing leaves of its noise: in
/// pure noise of 60 points or more, less than one in ten thousand has such a fall, of 20 points one in 500.
RCNN_EXPORT LrSuggestion suggest_lr(std::span<const LrPoint> points);

}  // namespace rcnn::train
