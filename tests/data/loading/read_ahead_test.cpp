#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <rcnn/data/loading/read_ahead.h>

#include "data/loading/random.h"

namespace rcnn::data {
namespace {

/// Slow in an irregular way, so that threads finish out of order.
int64_t square(int64_t index) {
  std::this_thread::sleep_for(std::chrono::microseconds(mix(static_cast<uint64_t>(index)) % 1000));
  return index * index;
}

std::vector<int64_t> rest_of(ReadAhead<int64_t>& items) {
  std::vector<int64_t> all;
  while (const auto item = items.next()) all.push_back(*item);
  return all;
}

TEST(ReadAhead, GivesItemsInTheirOrder) {
  for (const int64_t threads : {0, 1, 3, 8}) {
    for (const int64_t ahead : {1, 2, 5, 100}) {
      ReadAhead<int64_t> items(threads, ahead);
      items.start(3, 20, square);
      EXPECT_EQ(items.position(), 3);
      const auto all = rest_of(items);
      ASSERT_EQ(all.size(), 17u) << threads << " threads, " << ahead << " ahead";
      for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<int64_t>((i + 3) * (i + 3)));
      EXPECT_EQ(items.position(), 20);
      EXPECT_FALSE(items.next()) << "what is over stays over";
    }
  }
}

TEST(ReadAhead, WithoutItemsOrAStartThereIsNothing) {
  for (const int64_t threads : {0, 2}) {
    ReadAhead<int64_t> items(threads, 2);
    EXPECT_FALSE(items.next());
    items.start(5, 5, square);
    EXPECT_FALSE(items.next());
  }
}

TEST(ReadAhead, ItemsNeedNeitherBeMadeOfNothingNorBeCopied) {
  struct Item {
    explicit Item(int64_t of) : value(std::make_unique<int64_t>(of)) {}
    std::unique_ptr<int64_t> value;
  };
  ReadAhead<Item> items(2, 2);
  items.start(0, 5, [](int64_t index) { return Item(index); });
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(*items.next()->value, i);
}

TEST(ReadAhead, WhatReadingThrowsComesOutInItsPlace) {
  for (const int64_t threads : {0, 1, 4}) {
    ReadAhead<int64_t> items(threads, 3);
    items.start(0, 10, [](int64_t index) {
      if (index % 4 == 2) throw std::runtime_error("item " + std::to_string(index));
      return square(index);
    });
    for (int64_t i = 0; i < 10; ++i) {
      if (i % 4 != 2) {
        EXPECT_EQ(items.next(), i * i);
        continue;
      }
      try {
        items.next();
        ADD_FAILURE() << "item " << i << " with " << threads << " threads";
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(error.what(), "item " + std::to_string(i));
      }
    }
    EXPECT_FALSE(items.next());
  }
}

TEST(ReadAhead, ReadsAsFarAheadAsAskedAndNoFurther) {
  std::atomic<int64_t> begun = 0;
  ReadAhead<int64_t> items(4, 3);
  items.start(0, 50, [&](int64_t index) {
    ++begun;
    return square(index);
  });
  for (int64_t taken = 1; items.next(); ++taken) {
    const int64_t allowed = std::min<int64_t>(taken + 3, 50);
    for (int waits = 0; waits < 10'000 && begun < allowed; ++waits) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(begun, allowed) << "after " << taken;
  }
}

TEST(ReadAhead, StartingAnewDropsWhatWasUnderWay) {
  ReadAhead<int64_t> items(3, 4);
  for (int64_t again = 0; again < 20; ++again) {
    items.start(0, 30, [again](int64_t index) { return square(index) + 1000 * again; });
    for (int64_t i = 0; i < again % 5; ++i) EXPECT_EQ(items.next(), i * i + 1000 * again);
  }
}

TEST(ReadAhead, GoesAtAnyMomentAndReadsNothingMore) {
  std::atomic<int64_t> running = 0, begun = 0;
  for (int64_t again = 0; again < 20; ++again) {
    {
      ReadAhead<int64_t> items(4, 8);
      items.start(0, 1000, [&](int64_t index) {
        ++running, ++begun;
        const auto item = square(index);
        --running;
        if (index == 1) throw std::runtime_error("nobody hears of it");
        return item;
      });
      if (again % 2 == 1) {
        EXPECT_EQ(items.next(), 0);
      }
    }
    EXPECT_EQ(running, 0);
  }
  EXPECT_LE(begun, 20 * 9);
}

}  // namespace
}  // namespace rcnn::data
