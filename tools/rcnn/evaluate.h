#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <rcnn/data/options.h>
#include <rcnn/eval/score.h>
#include <rcnn/infer/results.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/train/run.h>

namespace rcnn::tools {

/// A config's "eval".
struct EvalOptions {
  enum class Metric { voc, coco, proposals } metric = Metric::voc;
  eval::VocMapOptions voc;
  train::ScoringOptions scoring;  ///< during training

  /// Keys: metric (voc, coco, proposals), rule (area, points11) and iou_threshold (voc), and those of
  /// scoring. Without a metric it is that of proposals for a model that finds these, else that of the data
  /// set's type. Throws ConfigError for a metric that the model has no numbers of.
  static EvalOptions from(const config::Node& node, const data::DataOptions& data,
                          const nn::DetectionModelImpl& model);
};

inline const std::function<bool()> kNeverStop = [] { return false; };

struct Evaluation {
  eval::Score score;
  std::vector<ImageDetections> images;
};

/// The test part of a data set, with the classes of a detector in the order of its labels.
struct TestSet {
  data::DataOptions options;
  std::shared_ptr<const data::Dataset> dataset;
  int64_t images_left_out = 0;  // under bad_images=skip
};
TestSet open_test_set(data::DataOptions options, const std::vector<Category>& categories);

/// Whether the images come with proposals: data.test.proposals.
bool has_proposals(const TestSet& test);

/// Has Selective Search find the proposals of a test set that comes without, for a detector that needs them;
/// says so.
void search_missing_proposals(TestSet& test, const TensorDetector& detector);

/// How a training's model is scored, and on what.
struct Scoring {
  EvalOptions options;
  TestSet test;
};

/// What the training's config says of it. Throws ConfigError and DataError where it cannot be scored, before
/// anything is trained: see check_best(), and nn::as_detection_model(), for what is scored is boxes; and for
/// a model that needs proposals and test data without.
Scoring scoring_of(const train::Training& training);

/// Throws ConfigError unless the number that decides, see ScoringOptions, is one that scores on `test` have:
/// so it is said before a run, not after its first epoch.
void check_best(const EvalOptions& options, const TestSet& test);

/// Detects on every image of a test set, among its proposals where the detector needs these, and scores the
/// result; under the metric of proposals those of the detector's RPN. Progress goes to stderr. `stop` is
/// asked before each image: true gives it up, and nothing is returned.
std::optional<Evaluation> evaluate(const TensorDetector& detector, const TestSet& test,
                                   const EvalOptions& options, const eval::ScoreOptions& score,
                                   const std::function<bool()>& stop);

/// How well the proposals of a test set that has them cover its objects: the score that evaluate() gives an
/// RPN's. Throws DataError for a set without a class.
eval::Score stored_proposal_score(const TestSet& test);

/// The test set's objects, and what was found on its images, as COCO's evaluation takes them. Proposals are
/// of no category.
eval::CocoInput coco_input(const TestSet& test, const std::vector<ImageDetections>& images,
                           const eval::CocoInputOptions& options = {});

}  // namespace rcnn::tools
