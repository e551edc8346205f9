#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/loading/read_ahead.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// What one training or evaluation step receives.
struct Batch {
  ImageBatch images;
  std::vector<Target> targets;
  std::vector<int64_t> indices;  ///< of the samples in their data set
};

/// An image that could not be used and was left out, see LoaderOptions::bad_images.
struct BadImage {
  int64_t index;        ///< in its data set
  std::string message;  ///< the file and what is wrong with it
};

/// How batches are put together.
struct LoaderOptions {
  int64_t batch_size = 2;
  int64_t workers = 2;   ///< threads that decode ahead; 0 decodes in the caller's thread
  int64_t prefetch = 4;  ///< batches that may wait
  bool shuffle = true;
  bool drop_last = false;
  bool group_by_aspect = true;       ///< a batch holds upright images, taller than wide, or others
  Policy bad_images = Policy::stop;  ///< what cannot be decoded, or is not of its record's size
  uint64_t seed = 0;
  /// For training by several processes: this one gets every shards-th batch of the epoch, from its own on.
  /// All get as many: what is left over is dropped.
  int64_t shard = 0, shards = 1;
};

/// Decodes, transforms and batches samples ahead of the consumer, on threads of its own.
///
/// Batch b of epoch e is a pure function of (data set, options, e, b): the order is a permutation drawn from
/// (seed, epoch), each sample's transform from (seed, epoch, sample). Any number of workers gives the same
/// batches in the same order, and reading can start at any batch.
///
/// Images of the permutation gather in batches, a shape's images (Record::size) in their own where they are
/// grouped: padding then wastes less. Batches come in the order in which they became full, the rest at the
/// end.
///
/// Proposals come along where the records have some; of one batch all have to, or none.
class RCNN_EXPORT Loader {
 public:
  Loader(std::shared_ptr<const Dataset> dataset, TransformOptions transform, LoaderOptions options);

  int64_t batches_per_epoch() const { return batches_; }

  /// Starts (epoch, batch); pending work of an earlier start is dropped.
  void start(int64_t epoch, int64_t first_batch = 0);

  /// The next batch of the epoch, waiting for it; false at the epoch's end. An error in a worker (DataError
  /// with the file's name) is thrown here, at the batch it belongs to. Where bad images are skipped, a batch
  /// has fewer images for it, and one that has none left is passed over.
  bool next(Batch& batch);

  /// How many of the epoch's batches next() came past: where start() would go on.
  int64_t position() const { return loaded_.position(); }

  /// What was left out of the batches that next() came past, each image once, in their order.
  const std::vector<BadImage>& skipped() const { return skipped_; }

 private:
  using Indices = std::vector<int64_t>;
  struct Loaded {
    Batch batch;
    std::vector<BadImage> bad;
  };
  std::vector<Indices> batches_of(int64_t epoch) const;
  Loaded load(int64_t epoch, const Indices& indices) const;
  void add(int64_t epoch, int64_t index, Loaded& loaded) const;

  const std::shared_ptr<const Dataset> dataset_;
  const TransformOptions transform_;
  const LoaderOptions options_;
  int64_t batches_ = 0;  // of an epoch
  bool started_ = false;
  std::vector<BadImage> skipped_;
  std::set<int64_t> skipped_indices_;
  ReadAhead<Loaded> loaded_;  // last: its threads end before what they use
};

}  // namespace rcnn::data
