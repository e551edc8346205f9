#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <c10/util/Exception.h>
#include <opencv2/core/utility.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/loading/loader.h>
#include <rcnn/error.h>

#include "data/loading/random.h"

namespace rcnn::data {

Loader::Loader(std::shared_ptr<const Dataset> dataset, TransformOptions transform, LoaderOptions options)
    : dataset_(std::move(dataset)),
      transform_(std::move(transform)),
      options_(options),
      loaded_(options.workers, options.prefetch) {
  TORCH_CHECK(options.batch_size > 0 && options.workers >= 0 && options.prefetch > 0,
              "Loader: batch_size and prefetch must be positive and workers not negative");
  TORCH_CHECK(0 <= options.shard && options.shard < options.shards, "Loader: shard ", options.shard, " of ",
              options.shards);
  batches_ = std::ssize(batches_of(0));
  if (batches_ == 0) {
    throw ConfigError(fmt::format("{} images make no {} of {}; lower the batch size", dataset_->size(),
                                  options.shards > 1 ? fmt::format("{} batches", options.shards) : "batch",
                                  options.batch_size));
  }
  cv::setNumThreads(0);  // the workers are the threads; process-wide
}

void Loader::start(int64_t epoch, int64_t first_batch) {
  TORCH_CHECK(first_batch >= 0 && first_batch <= batches_, "Loader: batch ", first_batch, " of ", batches_);
  loaded_.start(first_batch, batches_, [this, epoch, batches = batches_of(epoch)](int64_t batch) {
    return load(epoch, batches[static_cast<size_t>(batch)]);
  });
  started_ = true;
}

bool Loader::next(Batch& batch) {
  TORCH_CHECK(started_, "Loader: call start before next");
  while (auto loaded = loaded_.next()) {
    for (auto& bad : loaded->bad) {
      if (skipped_indices_.insert(bad.index).second) skipped_.push_back(std::move(bad));
    }
    if (loaded->batch.indices.empty()) continue;
    batch = std::move(loaded->batch);
    return true;
  }
  return false;
}

std::vector<Loader::Indices> Loader::batches_of(int64_t epoch) const {
  Indices order(static_cast<size_t>(dataset_->size()));
  std::iota(order.begin(), order.end(), 0);
  if (options_.shuffle) Random(hash(options_.seed, epoch)).shuffle(order);
  std::vector<Indices> batches;
  std::array<Indices, 2> groups;
  for (const int64_t i : order) {
    const ImageSize size = dataset_->record(i).size;
    auto& group = groups[options_.group_by_aspect && size.width < size.height ? 1 : 0];
    group.push_back(i);
    if (std::ssize(group) == options_.batch_size) batches.push_back(std::exchange(group, {}));
  }
  for (auto& group : groups) {
    if (!group.empty() && !options_.drop_last) batches.push_back(std::move(group));
  }
  const auto shards = static_cast<size_t>(options_.shards), shard = static_cast<size_t>(options_.shard);
  std::vector<Indices> own(batches.size() / shards);
  for (size_t i = 0; i < own.size(); ++i) own[i] = std::move(batches[i * shards + shard]);
  return own;
}

Loader::Loaded Loader::load(int64_t epoch, const Indices& indices) const {
  Loaded loaded;
  for (const int64_t i : indices) add(epoch, i, loaded);
  const auto& [images, sizes, proposals] = loaded.batch.images;
  TORCH_CHECK(proposals.empty() || proposals.size() == images.size(), "Loader: ", proposals.size(),
              " of the ", images.size(), " images of a batch have proposals; expected all or none");
  return loaded;
}

void Loader::add(int64_t epoch, int64_t index, Loaded& loaded) const {
  at::Tensor image;
  try {
    image = checked_image(*dataset_, index);
  } catch (const DataError& error) {
    if (options_.bad_images == Policy::stop) throw;
    loaded.bad.push_back({.index = index, .message = error.what()});
    return;
  }
  Sample sample = transform(image, dataset_->record(index), transform_, hash(options_.seed, epoch, index));
  Batch& batch = loaded.batch;
  batch.images.images.push_back(std::move(sample.image));
  batch.images.sizes.push_back(sample.size);
  if (sample.proposals.defined()) batch.images.proposals.push_back(std::move(sample.proposals));
  batch.targets.push_back(std::move(sample.target));
  batch.indices.push_back(index);
}

}  // namespace rcnn::data
