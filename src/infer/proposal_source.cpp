#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/proposals/make_proposals.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/error.h>
#include <rcnn/infer/proposal_source.h>
#include <rcnn/log.h>

namespace rcnn {
namespace {

namespace fs = std::filesystem;

bool is_number(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// A number without the zeros before it; any other text as it is.
std::string without_zeros(const std::string& text) {
  if (!is_number(text)) return text;
  const auto first = text.find_first_not_of('0');
  return first == std::string::npos ? "0" : text.substr(first);
}

/// What an image may be called in a list, the longest first.
std::vector<std::string> names_of(const data::FoundImage& image) {
  auto without_ending = image.relative;
  without_ending.replace_extension();
  std::vector<std::string> names = {image.relative.generic_string(), without_ending.generic_string(),
                                    image.path.filename().string(), image.path.stem().string()};
  for (auto& name : names) name = without_zeros(name);
  return names;
}

/// Some of the names, for a message.
std::string first_of(std::vector<std::string> names) {
  constexpr size_t kNamed = 3;
  const bool more = names.size() > kNamed;
  names.resize(std::min(names.size(), kNamed));
  return fmt::format("{}{}", fmt::join(names, ", "), more ? ", ..." : "");
}

class StoredProposals : public ProposalSource {
 public:
  StoredProposals(const fs::path& file, std::span<const data::FoundImage> images, int64_t limit)
      : file_(file), images_(images.begin(), images.end()) {
    auto list = data::read_proposals(file);
    if (!list.has_ids) {
      throw DataError(
          fmt::format("{}: does not say which images its proposals are of; give one with ids, such "
                      "as .json",
                      file.string()));
    }
    join(list);
    for (auto& [index, place] : places_) {
      auto& boxes = list.images[place].boxes;
      if (std::ssize(boxes) > limit) boxes.resize(static_cast<size_t>(limit));
      boxes_[index] = std::move(boxes);
    }
    warn_of_empty_lists();
  }

  std::vector<Box> of(size_t index, ImageSize size) override {
    auto boxes = std::move(boxes_.at(index));
    for (const auto& box : boxes) {
      if (data::lies_on(box, size)) continue;
      throw DataError(
          fmt::format("{}: has {} x {} pixels, and the proposal ({}, {}, {}, {}) of {} reaches beyond "
                      "it: they are of another image or of another size of it",
                      images_[index].path.string(), size.width, size.height, box.x1, box.y1, box.x2, box.y2,
                      file_.string()));
    }
    return boxes;
  }

 private:
  void join(const data::ProposalList& list) {
    std::unordered_map<std::string, size_t> by_id;
    for (size_t i = 0; i < list.images.size(); ++i) by_id.emplace(without_zeros(list.images[i].id), i);
    std::unordered_map<size_t, size_t> taken;  // by which image
    std::vector<std::string> missing;
    for (size_t i = 0; i < images_.size(); ++i) {
      const auto names = names_of(images_[i]);
      const auto name = std::ranges::find_if(names, [&](const auto& word) { return by_id.contains(word); });
      if (name == names.end()) {
        missing.push_back(images_[i].path.string());
        continue;
      }
      const size_t place = by_id.at(*name);
      const auto [other, is_new] = taken.emplace(place, i);
      if (!is_new) {
        throw DataError(
            fmt::format("{}: its proposals of \"{}\" could be of {} and of {}; detect on one folder "
                        "after the other",
                        file_.string(), list.images[place].id, images_[other->second].path.string(),
                        images_[i].path.string()));
      }
      places_[i] = place;
    }
    const auto is_bare_number = [&](const auto& entry) {
      const auto stem = images_[entry.first].path.stem().string();
      return stem == list.images[entry.second].id && without_zeros(stem) == stem && is_number(stem);
    };
    if (const auto bare = std::ranges::find_if(places_, is_bare_number); bare != places_.end()) {
      log::warn(
          fmt::format("{}: its image ids are numbers, and are taken for names of files, {} for {}: wrong if "
                      "they are a COCO file's ids, which need not be its files' names",
                      file_.string(), list.images[bare->second].id, images_[bare->first].path.string()));
    }
    if (missing.empty()) return;
    throw DataError(fmt::format("{}: has no proposals of {} of {} images: {}; rcnn propose makes them",
                                file_.string(), missing.size(), images_.size(), first_of(missing)));
  }

  void warn_of_empty_lists() const {
    std::vector<std::string> empty;
    for (const auto& [index, boxes] : boxes_) {
      if (boxes.empty()) empty.push_back(images_[index].path.string());
    }
    if (empty.empty()) return;
    log::warn(fmt::format("{}: its lists of {} of {} images are empty, so that nothing is found there: {}",
                          file_.string(), empty.size(), images_.size(), first_of(empty)));
  }

  const fs::path file_;
  const std::vector<data::FoundImage> images_;
  std::map<size_t, size_t> places_;  // of the images in the list
  std::map<size_t, std::vector<Box>> boxes_;
};

class SearchedProposals : public ProposalSource {
 public:
  SearchedProposals(std::span<const data::FoundImage> images, const data::SearchWorkersOptions& options,
                    int64_t max_megapixels)
      : workers_(searched(images, max_megapixels), options) {
    std::vector<int64_t> all(images.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    workers_.add(all);
  }

  std::vector<Box> of(size_t index, ImageSize) override {
    const auto wanted = static_cast<int64_t>(index);
    while (!done_.contains(wanted)) {
      auto image = workers_.next();
      if (!image) throw Error(fmt::format("image {} was searched before", index), 1);
      done_[image->index] = std::move(*image);
    }
    done_.erase(done_.begin(), done_.lower_bound(wanted));  // those that could not be read
    const auto image = std::move(done_.extract(wanted).mapped());
    if (!image.error.empty()) throw DataError(image.error);
    return image.boxes;
  }

 private:
  static data::SearchImages searched(std::span<const data::FoundImage> images, int64_t max_megapixels) {
    data::SearchImages searched;
    for (const auto& image : images) {
      searched.ids.push_back(image.path.stem().string());
      searched.files.push_back(image.path);
    }
    searched.read = [files = searched.files, max_megapixels](int64_t index) {
      return data::read_image(files.at(static_cast<size_t>(index)), max_megapixels);
    };
    return searched;
  }

  data::SearchWorkers workers_;
  std::map<int64_t, data::SearchedImage> done_;
};

}  // namespace

std::unique_ptr<ProposalSource> stored_proposals(const fs::path& file,
                                                 std::span<const data::FoundImage> images, int64_t limit) {
  return std::make_unique<StoredProposals>(file, images, limit);
}

std::unique_ptr<ProposalSource> searched_proposals(std::span<const data::FoundImage> images,
                                                   const data::SearchWorkersOptions& options,
                                                   int64_t max_megapixels) {
  return std::make_unique<SearchedProposals>(images, options, max_megapixels);
}

std::shared_ptr<const data::Dataset> with_searched_proposals(
    const std::shared_ptr<const data::Dataset>& dataset, const data::SearchWorkersOptions& options,
    const std::function<bool()>& stop, const std::function<void(int64_t, int64_t)>& on_progress) {
  data::Problems said_later;  // by who reads the image
  auto list = data::make_proposals(
      *dataset, data::selective_search_method(options),
      {.bad_images = data::Policy::skip,
       .stop = stop,
       .on_progress = [&](int64_t done, int64_t total, int64_t) { on_progress(done, total); }},
      said_later);
  if (!list) return nullptr;
  return data::with_proposals(dataset, std::move(*list), {}, said_later);
}

}  // namespace rcnn
