#include <algorithm>
#include <deque>
#include <numeric>
#include <unordered_map>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/joined.h>

namespace rcnn::data {
namespace {

class Joined : public Dataset {
 public:
  Joined(const std::vector<NamedDataset>& parts, Problems& problems) {
    for (const auto& part : parts) add_categories(*part.dataset);
    for (const auto& part : parts) {
      tell_missing_categories(part, problems);
      add(part, problems);
    }
  }

  int64_t size() const override { return static_cast<int64_t>(places_.size()); }
  const Record& record(int64_t index) const override { return *place(index).record; }
  const std::vector<Category>& categories() const override { return categories_; }
  at::Tensor image(int64_t index) const override { return place(index).dataset->image(place(index).index); }

 private:
  struct Place {
    const Dataset* dataset;
    int64_t index;         // in that
    const Record* record;  // that one's own, or its copy with another id or other labels
  };

  const Place& place(int64_t index) const { return places_.at(static_cast<size_t>(index)); }

  void add_categories(const Dataset& dataset) {
    for (const auto& category : dataset.categories()) {
      if (std::ranges::find(categories_, category.name, &Category::name) != categories_.end()) continue;
      categories_.push_back(category);
      const auto same = [&](const Category& other) { return other.id == category.id; };
      if (std::ranges::count_if(categories_, same) > 1)
        categories_.back().id = std::ranges::max(categories_, {}, &Category::id).id + 1;
    }
  }

  void tell_missing_categories(const NamedDataset& part, Problems& problems) const {
    for (const auto& category : categories_) {
      if (std::ranges::find(part.dataset->categories(), category.name, &Category::name) ==
          part.dataset->categories().end()) {
        problems.warn("a class that one of the joined data sets does not have",
                      fmt::format("{}: {}", part.name, category.name));
      }
    }
  }

  /// The joined data set's label for each of a part's, which begin with 1.
  std::vector<int64_t> labels_of(const Dataset& dataset) const {
    std::vector<int64_t> labels = {0};
    for (const auto& category : dataset.categories()) {
      labels.push_back(std::ranges::find(categories_, category.name, &Category::name) - categories_.begin() +
                       1);
    }
    return labels;
  }

  void add(const NamedDataset& part, Problems& problems) {
    datasets_.push_back(part.dataset);
    const auto labels = labels_of(*part.dataset);
    std::vector<int64_t> unchanged(labels.size());
    std::iota(unchanged.begin(), unchanged.end(), int64_t{0});
    for (int64_t i = 0; i < part.dataset->size(); ++i) {
      const Record* record = &part.dataset->record(i);
      const auto [known, fresh] = by_id_.emplace(record->id, record);
      if (!fresh) {
        if (known->second->image == record->image) {
          problems.warn("an image that is in two of the joined data sets",
                        fmt::format("{}: {}", part.name, record->image.string()));
        }
        auto& renamed = changed_.emplace_back(*record);
        renamed.id = fmt::format("{}/{}", part.name, record->id);
        record = &renamed;
      }
      if (labels != unchanged) {
        auto& relabelled = fresh ? changed_.emplace_back(*record) : changed_.back();
        for (auto& object : relabelled.objects) object.label = labels.at(static_cast<size_t>(object.label));
        record = &relabelled;
      }
      places_.push_back({.dataset = part.dataset.get(), .index = i, .record = record});
    }
  }

  std::vector<std::shared_ptr<const Dataset>> datasets_;
  std::vector<Category> categories_;
  std::unordered_map<std::string, const Record*> by_id_;
  std::deque<Record> changed_;  // which never moves them
  std::vector<Place> places_;
};

}  // namespace

std::shared_ptr<Dataset> join(const std::vector<NamedDataset>& parts, Problems& problems) {
  TORCH_CHECK(!parts.empty(), "join: no data set");
  return std::make_shared<Joined>(parts, problems);
}

}  // namespace rcnn::data
