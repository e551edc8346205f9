#include <functional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <rcnn/data/fingerprint.h>

namespace rcnn::data {
namespace {

class Records : public Dataset {
 public:
  explicit Records(std::vector<Record> records) : records_(std::move(records)) {}
  int64_t size() const override { return std::ssize(records_); }
  const Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return categories_; }

 private:
  std::vector<Record> records_;
  std::vector<Category> categories_;
};

Record record_with_all() {
  return {.id = "first",
          .image = "a.jpg",
          .size = {48, 64},
          .objects = {{.box = {1, 2, 3, 4}, .label = 1}, {.box = {5, 6, 7, 8}, .label = 2, .ignore = true}}};
}

TEST(Fingerprint, IsTheSameForTheSameRecordsWhereverTheyLie) {
  auto moved = record_with_all();
  moved.image = "elsewhere/b.jpg";
  EXPECT_EQ(fingerprint(Records({record_with_all(), moved})),
            fingerprint(Records({record_with_all(), record_with_all()})));
  EXPECT_TRUE(fingerprint(Records({})).empty());
}

TEST(Fingerprint, EveryChangeShows) {
  std::set<int64_t> numbers{fingerprint(Records({record_with_all()})).front()};
  const std::vector<std::function<void(Record&)>> changes{
      [](Record& r) { r.id = "firsu"; },
      [](Record& r) { r.id = ""; },
      [](Record& r) {
        r.size = {64, 48};
      },
      [](Record& r) { r.objects.pop_back(); },
      [](Record& r) { r.objects.clear(); },
      [](Record& r) { std::swap(r.objects[0], r.objects[1]); },
      [](Record& r) { r.objects[0].box.x2 = 3.0000002f; },
      [](Record& r) { r.objects[0].label = 2; },
      [](Record& r) { r.objects[1].ignore = false; },
      [](Record& r) { r.proposals.emplace(); },
      [](Record& r) {
        r.proposals = {{1, 2, 3, 4}};
      },
      [](Record& r) {
        r.proposals = {{1, 2, 3, 5}};
      },
  };
  for (const auto& change : changes) {
    auto changed = record_with_all();
    change(changed);
    EXPECT_TRUE(numbers.insert(fingerprint(Records({changed})).front()).second);
  }
}

}  // namespace
}  // namespace rcnn::data
