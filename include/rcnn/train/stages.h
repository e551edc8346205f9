#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/config/config.h>
#include <rcnn/export.h>
#include <rcnn/train/run.h>

namespace rcnn::train {

struct Stage;

/// A file that an earlier stage leaves, and where a stage's config names it.
struct RCNN_EXPORT Product {
  std::string key;  ///< "model.weights"
  std::filesystem::path file;
  std::shared_ptr<const Stage> maker;  ///< the stage that leaves it

  bool is_there() const;
};

/// One link of a chain.
struct RCNN_EXPORT Stage {
  std::string name;
  std::string kind;
  config::Config config;  ///< the chain's with the stage's "with" laid over it, products named by their files
  std::filesystem::path folder;        ///< OUTPUT/2-fast
  std::vector<Product> products = {};  ///< files of earlier stages that `config` names

  /// The first of them that is not there; null when all are.
  const Product* missing() const;
};

/// How a training is scored, and who listens to it.
struct Watch {
  ScoringOptions scoring = {};
  std::function<void(const Run&)> on_begin = {};
  Hooks hooks = {};
  std::function<void(const Run&, Run::Outcome)> on_end = {};
};

/// What stages are run with.
struct StageContext {
  at::Device device = at::kCPU;
  Run::Resume resume = Run::Resume::no;
  /// Asked by a stage that trains, before anything is made; it may refuse by throwing. Without it nothing is
  /// scored.
  std::function<Watch(const Training&)> watch = {};
  std::function<bool()> stop = {};  ///< asked between stages; a stage that trains asks its Watch
  /// Called by a stage that proposes after each image, of those of a part of its data.
  std::function<void(int64_t done, int64_t total)> on_proposed = {};
};

/// A file that stages of a kind leave.
struct StageFile {
  std::string name;  ///< in the stage's folder: "last.safetensors"
  /// What is in it: "weights", "proposals" or "annotations", which config keys ask for, or whatever a kind of
  /// one's own calls it.
  std::string content;
};

/// A kind of stage. Each stage is a run in its own folder, which is passed over when it is done and resumed
/// when it is not.
struct RCNN_EXPORT StageKind {
  /// The files in its folder that later stages may name.
  std::vector<StageFile> products;

  /// Reads and checks all that the stage needs but products that are not there yet, see Stage::missing(), and
  /// makes nothing; where some are missing it is called again when they are there. What it returns makes the
  /// stage's folder and runs it, and says whether that is done; it is not where it was interrupted. Throws
  /// what the stage would be refused for.
  std::function<std::function<bool()>(const Stage&, const StageContext&)> prepare;

  /// What the stage reads, each with a number that changes when the content does, in text. Where it is done
  /// and one of them has another number, its results count as outdated. What is not there is left out.
  std::function<std::map<std::string, std::string>(const Stage&)> inputs;

  /// The names of `products`.
  std::vector<std::string> files() const;
};

/// Kinds by name.
class RCNN_EXPORT StageKinds {
 public:
  explicit StageKinds(std::map<std::string, StageKind> kinds) : kinds_(std::move(kinds)) {}

  /// Throws std::invalid_argument when the name is taken, or prepare or inputs is missing.
  void add(const std::string& name, StageKind kind);

  /// Null when there is none of the name.
  const StageKind* find(const std::string& name) const;

  std::vector<std::string> names() const;

 private:
  std::map<std::string, StageKind> kinds_;
};

/// `train`, an ordinary training (Run) in the stage's folder. Others are added at the start of main:
/// `rcnn::train::stage_kinds().add("features", kind)`.
RCNN_EXPORT StageKinds& stage_kinds();

/// A number of a file's bytes, for StageKind::inputs; empty when there is no such file. Throws DataError when
/// it cannot be read.
RCNN_EXPORT std::string fingerprint_of(const std::filesystem::path& file);

/// A config whose "stages" are run one after the other:
///
///     "stages": [
///       {"name": "rpn", "kind": "train", "with": {"train": {"iterations": 80000}}},
///       {"name": "fast", "kind": "train",
///        "with": {"model": {"weights": "stage:rpn/last.safetensors"}}}
///     ]
///
/// Each has the rest of the config with its own "with" laid over it (RFC 7396), and its folder, N-name, in
/// that of the chain. A value stage:NAME/FILE, there or in the rest, is a file that an earlier stage leaves.
class RCNN_EXPORT Chain {
 public:
  /// Whether a config is one.
  static bool is_one(const config::Config& config);

  /// Whether a folder holds one.
  static bool lies_in(const std::filesystem::path& folder);

  /// Throws ConfigError where it is a chain and one training is wanted.
  static void refuse(const config::Config& config);

  /// Throws ConfigError for a folder that holds one, where one training is to lie.
  static void refuse(const std::filesystem::path& folder);

  /// Reads "stages". Throws ConfigError for a name that is no folder's or is taken, an unknown kind, and a
  /// product of an unknown stage, of none before, of a file that it does not leave, or of one whose content
  /// is not what the key asks for. Nothing is looked for or made.
  Chain(config::Config config, std::filesystem::path output);

  const std::vector<Stage>& stages() const { return stages_; }

  /// Runs the stages that are not done; false when it was interrupted. Before the first begins, all of them
  /// are prepared, so that what is wrong with a later one is said at once. With Resume::no the folder has to
  /// be new.
  ///
  /// A stage that is done has done.json in its folder. It is passed over, unless its part of the config, one
  /// of its inputs or what it has left has changed since: that is a ConfigError with what has changed, or,
  /// with Resume::anyway, a warning, once. So with the inputs of one that has begun. The folder may be moved.
  /// It belongs to one process, and has the config and a log of its own. Throws what the stages throw.
  bool run(const StageContext& context);

  /// Which of the stages are done, and nothing that they depend on, or have left, has changed since; throws
  /// as run() does, and DataError where one that is done has lost a file that it had left for others.
  std::vector<bool> done(Run::Resume resume) const;

  /// Throws ConfigError unless the chain may begin in its folder, or go on there; as run() does.
  void check_folder(Run::Resume resume) const;

 private:
  bool is_done(const Stage& stage, Run::Resume resume) const;
  void check_products(const Stage& stage, Run::Resume resume) const;
  bool run_stages(const StageContext& context, const std::vector<bool>& done, std::function<bool()> prepared);

  config::Config config_;
  std::filesystem::path output_;
  std::vector<Stage> stages_;
};

/// An ordinary training as a stage by itself, without a chain: StageKind::prepare of `train`.
RCNN_EXPORT std::function<bool()> prepare_training(const Stage& stage, const StageContext& context);

}  // namespace rcnn::train
