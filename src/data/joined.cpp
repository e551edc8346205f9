#include <deque>
#include <unordered_map>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/joined.h>
#include <rcnn/error.h>

namespace rcnn::data {
namespace {

std::string listed(const std::vector<Category>& categories) {
  std::vector<std::string> entries;
  for (const auto& [id, name] : categories) entries.push_back(fmt::format("{} {}", id, name));
  return fmt::format("{}", fmt::join(entries, ", "));
}

class Joined : public Dataset {
 public:
  Joined(const std::vector<NamedDataset>& parts, Problems& problems) {
    for (const auto& part : parts) {
      check_categories(parts.front(), part);
      add(part, problems);
    }
  }

  int64_t size() const override { return static_cast<int64_t>(places_.size()); }
  const Record& record(int64_t index) const override { return *place(index).record; }
  const std::vector<Category>& categories() const override { return datasets_.front()->categories(); }
  at::Tensor image(int64_t index) const override { return place(index).dataset->image(place(index).index); }

 private:
  struct Place {
    const Dataset* dataset;
    int64_t index;         // in that
    const Record* record;  // that one's own, or its copy under another id
  };

  const Place& place(int64_t index) const { return places_.at(static_cast<size_t>(index)); }

  static void check_categories(const NamedDataset& first, const NamedDataset& part) {
    if (part.dataset->categories() == first.dataset->categories()) return;
    throw DataError(fmt::format("{} has other categories than {}: {}; {}; name the classes (data.classes)",
                                part.name, first.name, listed(part.dataset->categories()),
                                listed(first.dataset->categories())));
  }

  void add(const NamedDataset& part, Problems& problems) {
    datasets_.push_back(part.dataset);
    for (int64_t i = 0; i < part.dataset->size(); ++i) {
      const Record* record = &part.dataset->record(i);
      const auto [known, fresh] = by_id_.emplace(record->id, record);
      if (!fresh) {
        if (known->second->image == record->image) {
          problems.warn("an image that is in two of the joined data sets",
                        fmt::format("{}: {}", part.name, record->image.string()));
        }
        auto& renamed = renamed_.emplace_back(*record);
        renamed.id = fmt::format("{}/{}", part.name, record->id);
        record = &renamed;
      }
      places_.push_back({.dataset = part.dataset.get(), .index = i, .record = record});
    }
  }

  std::vector<std::shared_ptr<const Dataset>> datasets_;
  std::unordered_map<std::string, const Record*> by_id_;
  std::deque<Record> renamed_;  // which never moves them
  std::vector<Place> places_;
};

}  // namespace

std::shared_ptr<Dataset> join(const std::vector<NamedDataset>& parts, Problems& problems) {
  TORCH_CHECK(!parts.empty(), "join: no data set");
  return std::make_shared<Joined>(parts, problems);
}

}  // namespace rcnn::data
