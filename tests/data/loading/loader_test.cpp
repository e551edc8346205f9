#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/loading/loader.h>
#include <rcnn/error.h>

#include "data/loading/random.h"
#include "tests/support/message_of.h"

namespace rcnn::data {
namespace {

using testing::HasSubstr;

/// Images of several sizes in memory; slow in an irregular way, so that workers finish out of order.
class Pictures : public Dataset {
 public:
  explicit Pictures(int64_t size) {
    for (int64_t i = 0; i < size; ++i) {
      const auto side = static_cast<float>(8 + i % 5);
      records_.push_back(
          {.id = std::to_string(i), .image = "", .objects = {{.box = {1, 2, side, 6}, .label = i + 1}}});
    }
  }

  int64_t size() const override { return std::ssize(records_); }
  const Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return categories_; }
  at::Tensor image(int64_t index) const override {
    ++read;
    std::this_thread::sleep_for(std::chrono::microseconds(mix(index) % 2000));
    if (index == broken || broken_too.contains(index))
      throw DataError("picture_" + std::to_string(index) + ".jpg: is cut off");
    const auto said = record(index).size;
    const auto size = said == ImageSize{} ? ImageSize{8 + index % 3, 8 + index % 5} : said;
    at::Tensor image = at::empty({size.height, size.width, 3}, at::kByte);
    Random random(index);
    for (int64_t i = 0; i < image.numel(); ++i)
      image.data_ptr<uint8_t>()[i] = static_cast<uint8_t>(random.bits());
    return image;
  }

  mutable std::atomic<int64_t> read = 0;
  int64_t broken = -1;
  std::set<int64_t> broken_too;

  /// To the records from `first` on, as many as the record's number says.
  void give_proposals(int64_t first = 0) {
    for (int64_t i = first; i < size(); ++i) {
      records_[static_cast<size_t>(i)].proposals.emplace(static_cast<size_t>(i), Box{0, 0, 4, 4});
    }
  }

  /// Every third is upright.
  void give_shapes() {
    for (size_t i = 0; i < records_.size(); ++i)
      records_[i].size = i % 3 == 1 ? ImageSize{9, 8} : ImageSize{8, 9};
  }

 private:
  std::vector<Record> records_;
  std::vector<Category> categories_;
};

const TransformOptions kTransform{.min_size = 16, .max_size = 40, .flip = 0.5};

std::vector<Batch> rest_of_epoch(Loader& loader) {
  std::vector<Batch> batches;
  for (Batch batch; loader.next(batch);) batches.push_back(std::move(batch));
  return batches;
}

std::vector<Batch> epoch(Loader& loader, int64_t number, int64_t first_batch = 0) {
  loader.start(number, first_batch);
  return rest_of_epoch(loader);
}

std::vector<int64_t> order(const std::vector<Batch>& batches) {
  std::vector<int64_t> indices;
  for (const Batch& batch : batches)
    indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
  return indices;
}

void expect_same_batches(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].indices, b[i].indices);
    EXPECT_EQ(a[i].images.sizes, b[i].images.sizes);
    ASSERT_EQ(a[i].targets.size(), b[i].targets.size());
    for (size_t j = 0; j < a[i].targets.size(); ++j) {
      EXPECT_TRUE(a[i].images.images[j].equal(b[i].images.images[j])) << "batch " << i;
      EXPECT_TRUE(a[i].targets[j].boxes.equal(b[i].targets[j].boxes)) << "batch " << i;
      EXPECT_TRUE(a[i].targets[j].labels.equal(b[i].targets[j].labels)) << "batch " << i;
    }
  }
}

TEST(Loader, GivesEachSampleOnceWithItsOwnTarget) {
  const auto pictures = std::make_shared<Pictures>(23);
  Loader loader(pictures, kTransform, {.batch_size = 4, .workers = 3});
  EXPECT_EQ(loader.batches_per_epoch(), 6);
  const std::vector<Batch> batches = epoch(loader, 0);
  ASSERT_EQ(batches.size(), 6u);
  const std::vector<int64_t> indices = order(batches);
  EXPECT_EQ(std::set(indices.begin(), indices.end()).size(), 23u);
  EXPECT_EQ(indices.size(), 23u);
  EXPECT_EQ(batches.back().indices.size(), 3u);
  for (const Batch& batch : batches) {
    EXPECT_EQ(batch.images.images.size(), batch.indices.size());
    EXPECT_EQ(batch.images.sizes.size(), batch.indices.size());
    for (size_t i = 0; i < batch.indices.size(); ++i) {
      EXPECT_EQ(batch.targets[i].labels.item<int64_t>(), batch.indices[i] + 1);
      EXPECT_EQ(batch.images.images[i].sizes(),
                (std::vector<int64_t>{8 + batch.indices[i] % 3, 8 + batch.indices[i] % 5, 3}));
    }
  }
}

TEST(Loader, AnyNumberOfWorkersGivesTheSameBatches) {
  const auto pictures = std::make_shared<Pictures>(23);
  Loader alone(pictures, kTransform, {.batch_size = 3, .workers = 0, .seed = 5});
  const std::vector<Batch> expected = epoch(alone, 2);
  for (const int64_t workers : {1, 3, 8}) {
    for (const int64_t prefetch : {1, 4}) {
      Loader loader(pictures, kTransform,
                    {.batch_size = 3, .workers = workers, .prefetch = prefetch, .seed = 5});
      expect_same_batches(epoch(loader, 2), expected);
    }
  }
}

TEST(Loader, StartsAtAnyBatch) {
  const auto pictures = std::make_shared<Pictures>(20);
  for (const int64_t workers : {0, 3}) {
    Loader loader(pictures, kTransform, {.batch_size = 3, .workers = workers});
    const std::vector<Batch> whole = epoch(loader, 1);
    for (int64_t first = 0; first <= std::ssize(whole); ++first) {
      expect_same_batches(epoch(loader, 1, first), {whole.begin() + first, whole.end()});
    }
    EXPECT_THROW(loader.start(0, -1), c10::Error);
    EXPECT_THROW(loader.start(0, 8), c10::Error);
  }
}

TEST(Loader, SaysWhereToGoOn) {
  const auto pictures = std::make_shared<Pictures>(20);
  pictures->broken_too = {3, 4, 5};
  const LoaderOptions options{.batch_size = 1, .workers = 2, .bad_images = Policy::skip, .seed = 3};
  Loader loader(pictures, kTransform, options);
  const std::vector<Batch> whole = epoch(loader, 0);
  EXPECT_EQ(loader.position(), 20) << "batches without an image count, too";
  loader.start(0);
  Batch batch;
  for (int64_t taken = 1; loader.next(batch); ++taken) {
    Loader other(pictures, kTransform, options);
    expect_same_batches(epoch(other, 0, loader.position()), {whole.begin() + taken, whole.end()});
  }
}

TEST(Loader, ShardsShareTheBatchesOut) {
  const auto pictures = std::make_shared<Pictures>(23);
  Loader alone(pictures, kTransform, {.batch_size = 2, .workers = 0, .seed = 5});
  const std::vector<Batch> all = epoch(alone, 1);
  ASSERT_EQ(all.size(), 12u);
  for (const int64_t shards : {1, 2, 5}) {
    for (int64_t shard = 0; shard < shards; ++shard) {
      Loader loader(pictures, kTransform,
                    {.batch_size = 2, .workers = 2, .seed = 5, .shard = shard, .shards = shards});
      ASSERT_EQ(loader.batches_per_epoch(), 12 / shards);
      std::vector<Batch> own;
      for (size_t i = 0; i < 12u / static_cast<size_t>(shards); ++i) {
        own.push_back(all[i * static_cast<size_t>(shards) + static_cast<size_t>(shard)]);
      }
      expect_same_batches(epoch(loader, 1), own);
    }
  }
  EXPECT_THROW(Loader(pictures, kTransform, {.shard = 2, .shards = 2}), c10::Error);
  EXPECT_THAT(message_of<ConfigError>([&] { Loader(pictures, kTransform, {.batch_size = 12, .shards = 3}); }),
              HasSubstr("make no 3 batches of 12"));
}

TEST(Loader, StartingAnewDropsWhatWasUnderWay) {
  const auto pictures = std::make_shared<Pictures>(30);
  Loader loader(pictures, kTransform, {.batch_size = 2, .workers = 3});
  const std::vector<Batch> expected = epoch(loader, 7);
  Batch batch;
  for (int64_t i = 0; i < 20; ++i) {
    loader.start(i);
    for (int64_t taken = 0; taken < i % 4; ++taken) ASSERT_TRUE(loader.next(batch));
  }
  expect_same_batches(epoch(loader, 7), expected);
  EXPECT_FALSE(loader.next(batch)) << "an epoch that is over stays over";
}

TEST(Loader, EpochsAndSeedsDiffer) {
  const auto pictures = std::make_shared<Pictures>(30);
  Loader loader(pictures, kTransform, {.workers = 2, .seed = 1});
  Loader other(pictures, kTransform, {.workers = 2, .seed = 2});
  const std::vector<Batch> first = epoch(loader, 0);
  const std::vector<Batch> second = epoch(loader, 1);
  EXPECT_NE(order(first), order(second));
  EXPECT_NE(order(first), order(epoch(other, 0)));
  EXPECT_NE(order(first), [] {
    std::vector<int64_t> sorted(30);
    std::iota(sorted.begin(), sorted.end(), 0);
    return sorted;
  }());

  Loader unshuffled(pictures, kTransform, {.batch_size = 30, .workers = 0, .shuffle = false});
  const std::vector<Batch> a = epoch(unshuffled, 0);
  const std::vector<Batch> b = epoch(unshuffled, 1);
  EXPECT_TRUE(std::ranges::is_sorted(a[0].indices));
  const auto same = [](const at::Tensor& x, const at::Tensor& y) { return x.equal(y); };
  EXPECT_FALSE(std::ranges::equal(a[0].images.images, b[0].images.images, same))
      << "each epoch draws its own flips";
}

TEST(Loader, EachPositionGetsEachSample) {
  std::array<std::set<int64_t>, 4> seen;
  Loader loader(std::make_shared<Pictures>(4), kTransform, {.batch_size = 4, .workers = 0});
  for (int64_t number = 0; number < 60; ++number) {
    const std::vector<int64_t> indices = order(epoch(loader, number));
    for (size_t i = 0; i < 4; ++i) seen[i].insert(indices[i]);
  }
  for (const auto& at_position : seen) EXPECT_EQ(at_position.size(), 4u);
}

TEST(Loader, DropsAnIncompleteBatchOnRequest) {
  Loader loader(std::make_shared<Pictures>(11), kTransform, {.batch_size = 4, .drop_last = true});
  EXPECT_EQ(loader.batches_per_epoch(), 2);
  EXPECT_EQ(epoch(loader, 0).size(), 2u);
}

TEST(Loader, AnErrorSurfacesAtItsBatchAndTheNextGoesOn) {
  const auto pictures = std::make_shared<Pictures>(12);
  pictures->broken = 7;
  for (const int64_t workers : {0, 3}) {
    Loader loader(pictures, kTransform, {.batch_size = 2, .workers = workers, .shuffle = false});
    for (int again = 0; again < 2; ++again) {
      loader.start(0);
      Batch batch;
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(loader.next(batch));
      EXPECT_THAT(message_of<DataError>([&] { loader.next(batch); }), HasSubstr("picture_7.jpg"));
      ASSERT_TRUE(loader.next(batch));
      EXPECT_EQ(batch.indices, (std::vector<int64_t>{8, 9}));
    }
    loader.start(0);  // and goes with an error waiting
  }
}

TEST(Loader, GroupsByAspect) {
  const auto pictures = std::make_shared<Pictures>(31);  // 10 upright, 21 not
  pictures->give_shapes();
  Loader loader(pictures, kTransform, {.batch_size = 4, .workers = 3, .seed = 3});
  EXPECT_EQ(loader.batches_per_epoch(), 3 + 6);
  std::set<std::vector<bool>> orders;
  for (int64_t number = 0; number < 12; ++number) {
    SCOPED_TRACE(number);
    const auto batches = epoch(loader, number);
    ASSERT_EQ(batches.size(), 9u);
    std::vector<bool> upright;
    for (const Batch& batch : batches) {
      upright.push_back(batch.indices[0] % 3 == 1);
      for (const int64_t i : batch.indices) EXPECT_EQ(i % 3 == 1, upright.back());
    }
    orders.insert(upright);
    const auto indices = order(batches);
    EXPECT_EQ(std::set(indices.begin(), indices.end()).size(), 31u);
    for (int64_t first = 0; first <= 9; first += 4) {
      expect_same_batches(epoch(loader, number, first), {batches.begin() + first, batches.end()});
    }
  }
  EXPECT_GT(orders.size(), 5u) << "the groups come in the same order";

  Loader dropping(pictures, kTransform, {.batch_size = 4, .workers = 0, .drop_last = true});
  EXPECT_EQ(dropping.batches_per_epoch(), 2 + 5);
  for (const Batch& batch : epoch(dropping, 0)) EXPECT_EQ(batch.indices.size(), 4u);
}

TEST(Loader, MixesShapesOnRequest) {
  const auto pictures = std::make_shared<Pictures>(31);
  Loader before(pictures, kTransform, {.batch_size = 4, .workers = 0});
  const auto expected = order(epoch(before, 0));
  pictures->give_shapes();
  Loader loader(pictures, kTransform, {.batch_size = 4, .workers = 0, .group_by_aspect = false});
  EXPECT_EQ(loader.batches_per_epoch(), 8);
  EXPECT_EQ(order(epoch(loader, 0)), expected) << "without grouping shapes do not matter";
}

TEST(Loader, LeavesOutBadImagesAndRemembersThem) {
  const auto pictures = std::make_shared<Pictures>(12);
  pictures->broken_too = {0, 6, 7, 9, 11};
  for (const int64_t workers : {0, 1, 3}) {
    SCOPED_TRACE(workers);
    Loader loader(pictures, kTransform,
                  {.batch_size = 2, .workers = workers, .shuffle = false, .bad_images = Policy::skip});
    EXPECT_EQ(loader.batches_per_epoch(), 6);
    EXPECT_TRUE(loader.skipped().empty());
    for (int64_t number = 0; number < 2; ++number) {
      const auto batches = epoch(loader, number);
      ASSERT_EQ(batches.size(), 5u) << "6 and 7 were a batch";
      EXPECT_EQ(order(batches), (std::vector<int64_t>{1, 2, 3, 4, 5, 8, 10}));
      for (const Batch& batch : batches) {
        EXPECT_EQ(batch.images.images.size(), batch.indices.size());
        EXPECT_EQ(batch.targets.size(), batch.indices.size());
      }
    }
    std::vector<int64_t> indices;
    for (const BadImage& bad : loader.skipped()) indices.push_back(bad.index);
    EXPECT_EQ(indices, (std::vector<int64_t>{0, 6, 7, 9, 11}));
    EXPECT_EQ(loader.skipped()[1].message, "picture_6.jpg: is cut off");
  }
}

TEST(Loader, AnEpochOfBadImagesIsEmpty) {
  const auto pictures = std::make_shared<Pictures>(3);
  pictures->broken_too = {0, 1, 2};
  for (const int64_t workers : {0, 2}) {
    Loader loader(pictures, kTransform, {.workers = workers, .bad_images = Policy::skip});
    EXPECT_TRUE(epoch(loader, 0).empty());
    EXPECT_EQ(loader.skipped().size(), 3u);
  }
}

TEST(Loader, ReadsAsFarAheadAsAskedAndNoFurther) {
  const auto pictures = std::make_shared<Pictures>(100);
  Loader loader(pictures, kTransform, {.batch_size = 2, .workers = 4, .prefetch = 3});
  loader.start(0);
  Batch batch;
  // Fifty looks: at one of them a loader that reads further ahead is seen.
  for (int64_t taken = 1; loader.next(batch); ++taken) {
    const int64_t allowed = std::min<int64_t>(2 * (taken + 3), 100);
    for (int waits = 0; waits < 10'000 && pictures->read < allowed; ++waits) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(pictures->read, allowed) << "after " << taken << " batches";
  }
}

TEST(Loader, GoesAtAnyMoment) {
  const auto pictures = std::make_shared<Pictures>(40);
  { const Loader unused(pictures, kTransform, {.workers = 4}); }
  for (int i = 0; i < 30; ++i) {
    Loader loader(pictures, kTransform, {.workers = 4, .prefetch = 2});
    loader.start(i);
    Batch batch;
    for (int taken = 0; taken < i % 3; ++taken) ASSERT_TRUE(loader.next(batch));
  }
}

TEST(Loader, ProposalsComeWithTheirImages) {
  const auto pictures = std::make_shared<Pictures>(11);
  Loader without(pictures, kTransform, {.batch_size = 4});
  for (const Batch& batch : epoch(without, 0)) EXPECT_TRUE(batch.images.proposals.empty());
  pictures->broken_too = {3, 7};
  pictures->give_proposals();
  Loader loader(pictures, kTransform, {.batch_size = 4, .workers = 2, .bad_images = Policy::skip});
  for (const Batch& batch : epoch(loader, 0)) {
    ASSERT_EQ(batch.images.proposals.size(), batch.indices.size());
    for (size_t i = 0; i < batch.indices.size(); ++i) {
      EXPECT_EQ(batch.images.proposals[i].sizes(), (std::vector<int64_t>{batch.indices[i], 4}));
    }
  }
}

TEST(Loader, RefusesABatchOfWhichSomeHaveProposals) {
  const auto pictures = std::make_shared<Pictures>(4);
  pictures->give_proposals(1);
  Loader loader(pictures, kTransform, {.batch_size = 4});
  loader.start(0);
  Batch batch;
  EXPECT_THAT(message_of<c10::Error>([&] { loader.next(batch); }),
              HasSubstr("3 of the 4 images of a batch have proposals"));
}

TEST(Loader, RefusesWhatCannotWork) {
  const auto pictures = std::make_shared<Pictures>(3);
  EXPECT_THAT(
      message_of<ConfigError>([&] { Loader(pictures, kTransform, {.batch_size = 4, .drop_last = true}); }),
      HasSubstr("3 images make no batch of 4"));
  EXPECT_THROW(Loader(std::make_shared<Pictures>(0), kTransform, {}), ConfigError);
  EXPECT_THROW(Loader(pictures, kTransform, {.batch_size = 0}), c10::Error);
  EXPECT_THROW(Loader(pictures, kTransform, {.workers = -1}), c10::Error);
  EXPECT_THROW(Loader(pictures, kTransform, {.prefetch = 0}), c10::Error);
  Loader loader(pictures, kTransform, {});
  Batch batch;
  EXPECT_THROW(loader.next(batch), c10::Error);
}

}  // namespace
}  // namespace rcnn::data
