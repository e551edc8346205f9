#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/proposals/proposal_file.h>

namespace rcnn::data {
namespace {

/// The images of a data set that have proposals, with these.
class ProposalDataset : public Dataset {
 public:
  explicit ProposalDataset(std::shared_ptr<const Dataset> dataset) : dataset_(std::move(dataset)) {}

  int64_t size() const override { return std::ssize(records_); }
  const Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return dataset_->categories(); }
  at::Tensor image(int64_t index) const override {
    return dataset_->image(places_.at(static_cast<size_t>(index)));
  }

  void add(int64_t place, std::vector<Box> proposals) {
    auto& record = records_.emplace_back(dataset_->record(place));
    record.proposals = std::move(proposals);
    places_.push_back(place);
  }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<int64_t> places_;  // of the records in that
  std::vector<Record> records_;
};

std::string shown(const Box& box) {
  return fmt::format("({}, {}, {}, {})", box.x1, box.y1, box.x2, box.y2);
}

/// Fits proposals to their images, and counts those that do not fit.
class Fitting {
 public:
  explicit Fitting(const ProposalOptions& options) : options_(options) {}

  std::vector<Box> fit(std::vector<Box> boxes, const Record& record, Problems& problems) {
    const ImageSize size = record.size;
    const auto right = static_cast<float>(size.width), bottom = static_cast<float>(size.height);
    size_t kept = 0, bad = 0;
    std::optional<Box> first_bad;
    bool beyond = false;
    for (const Box& box : boxes) {
      Box inside = box;
      if (size != ImageSize{}) {  // a record without a size takes any
        beyond |= count_beyond(box, record);
        inside = {.x1 = std::clamp(box.x1, 0.F, right),
                  .y1 = std::clamp(box.y1, 0.F, bottom),
                  .x2 = std::clamp(box.x2, 0.F, right),
                  .y2 = std::clamp(box.y2, 0.F, bottom)};
      }
      if (inside.width() > 0 && inside.height() > 0) {
        boxes[kept++] = inside;
      } else {
        ++bad;
        if (!first_bad) first_bad = box;
      }
    }
    images_beyond_ += beyond;
    if (bad > 0 && !beyond) {
      problems.bad(options_.bad_boxes, "bad_boxes", "proposals without width or height",
                   fmt::format("image {}: {} of {}, the first is {}", record.id, bad, boxes.size(),
                               shown(*first_bad)));
    }
    if (options_.limit > 0) kept = std::min(kept, static_cast<size_t>(options_.limit));
    boxes.resize(kept);
    boxes.shrink_to_fit();
    return boxes;
  }

  void tell(Problems& problems) const {
    if (boxes_beyond_ == 0) return;
    problems.error(
        "proposals reach beyond their images: they were made for images of another size, for other images, "
        "or "
        "count pixels from another number than files of their kind do; make them again (rcnn propose) or "
        "name "
        "the file that belongs to these images",
        fmt::format("{}: {} {} of {} {}, the first is {}", options_.file.string(), boxes_beyond_,
                    boxes_beyond_ == 1 ? "box" : "boxes", images_beyond_,
                    images_beyond_ == 1 ? "image" : "images", first_));
  }

 private:
  bool count_beyond(const Box& box, const Record& record) {
    if (lies_on(box, record.size)) return false;
    if (boxes_beyond_++ == 0) {
      first_ = fmt::format("{} on image {} of {} x {}", shown(box), record.id, record.size.width,
                           record.size.height);
    }
    return true;
  }

  const ProposalOptions& options_;
  int64_t boxes_beyond_ = 0, images_beyond_ = 0;
  std::string first_;
};

using Places = std::vector<std::optional<size_t>>;

/// The images of a list by their ids, which are the list's.
using ById = std::unordered_map<std::string_view, size_t>;

/// For each record the image of the list that has the name; none where there is no such image.
template <class NameOf>
Places places_by(NameOf name_of, const Dataset& dataset, const ById& by_id) {
  Places places;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto found = by_id.find(name_of(dataset.record(i)));
    places.push_back(found == by_id.end() ? std::nullopt : std::optional(found->second));
  }
  return places;
}

bool all_missing(const Places& places) {
  return std::ranges::none_of(places, [](const auto& place) { return place.has_value(); });
}

bool has_repeated(Places places) {
  std::erase(places, std::nullopt);
  std::ranges::sort(places);
  return std::ranges::adjacent_find(places) != places.end();
}

/// Which of the list's images each record's are; none where the list lacks them.
Places places_by_id(const Dataset& dataset, const ProposalList& list, const ProposalOptions& options,
                    Problems& problems) {
  ById by_id;
  for (size_t i = 0; i < list.images.size(); ++i) by_id.emplace(list.images[i].id, i);
  auto places = places_by([](const Record& record) { return std::string_view(record.id); }, dataset, by_id);
  for (const bool with_ending : {false, true}) {
    if (!all_missing(places)) break;
    auto by_name = places_by(
        [&](const Record& record) {
          return (with_ending ? record.image.filename() : record.image.stem()).string();
        },
        dataset, by_id);
    if (!has_repeated(by_name)) places = std::move(by_name);
  }
  std::vector<std::string_view> missing;
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) missing.emplace_back(dataset.record(static_cast<int64_t>(i)).id);
  }
  const auto file = options.file.string();
  const auto joined = places.size() - missing.size();
  if (joined == 0 && !missing.empty()) {
    problems.error(
        "the proposals are of other images: none of their ids is in the data set, nor a name of its files",
        fmt::format("{}: its first image is \"{}\", the data set's \"{}\"", file, list.images.front().id,
                    missing.front()));
    return places;
  }
  for (const auto id : missing) {
    problems.bad(options.bad_images, "bad_images", fmt::format("images without an entry in {}", file),
                 std::string(id));
  }
  if (joined < list.images.size()) {
    problems.warn("passed over: proposals of images that the data set does not have",
                  fmt::format("{}: {} of {} images", file, list.images.size() - joined, list.images.size()));
  }
  return places;
}

}  // namespace

bool lies_on(const Box& box, ImageSize image) {
  constexpr float kBeyond = 0.999F;
  const auto right = static_cast<float>(image.width), bottom = static_cast<float>(image.height);
  return box.x1 > -kBeyond && box.y1 > -kBeyond && box.x2 < right + kBeyond && box.y2 < bottom + kBeyond;
}

std::shared_ptr<Dataset> with_proposals(std::shared_ptr<const Dataset> dataset, ProposalList list,
                                        const ProposalOptions& options, Problems& problems) {
  auto joined = std::make_shared<ProposalDataset>(dataset);
  std::vector<std::optional<size_t>> places;
  if (list.has_ids) {
    places = places_by_id(*dataset, list, options, problems);
  } else if (std::ssize(list.images) == dataset->size()) {
    for (size_t i = 0; i < list.images.size(); ++i) places.emplace_back(i);
  } else if (!problems.has(Severity::error)) {  // else it may be but what comes of that
    problems.error(
        "proposals without image ids must be of all images of the data set, in its order: without limit, "
        "keep_empty=false or bad images; or give a file with ids",
        fmt::format("{}: {} images for {} of the data set", options.file.string(), list.images.size(),
                    dataset->size()));
  }
  Fitting fitting(options);
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) continue;
    const auto place = static_cast<int64_t>(i);
    auto& image = list.images[*places[i]];
    image.scores = {};
    auto boxes = fitting.fit(std::exchange(image.boxes, {}), dataset->record(place), problems);
    if (boxes.empty()) problems.warn("an image without proposals", dataset->record(place).id);
    joined->add(place, std::move(boxes));
  }
  fitting.tell(problems);
  return joined;
}

}  // namespace rcnn::data
