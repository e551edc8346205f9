#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/proposals/make_proposals.h>
#include <rcnn/error.h>

#include "data/proposals/partial_proposals.h"
#include "io/files/checksum.h"

namespace rcnn::data {
namespace {

/// Ids and sizes of all images.
std::string images_of(const Dataset& dataset) {
  io::Checksum checksum;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    checksum.add(fmt::format("{}\n{} {}\n", record.id, record.size.height, record.size.width));
  }
  return fmt::format("{} images, {}", dataset.size(), checksum.digits());
}

/// What was made so far, by image.
class Making {
 public:
  Making(const Dataset& dataset, const MakeProposalsOptions& options)
      : dataset_(dataset), options_(options), made_(static_cast<size_t>(dataset.size())) {}

  void take(MadeProposals made) {
    auto& place = made_.at(static_cast<size_t>(made.index));
    if (!made.error.empty() && options_.bad_images == Policy::stop) throw DataError(made.error);
    done_ += place ? 0 : 1;
    place = std::move(made);
  }

  std::vector<int64_t> missing() const {
    std::vector<int64_t> missing;
    for (size_t i = 0; i < made_.size(); ++i) {
      if (!made_[i]) missing.push_back(static_cast<int64_t>(i));
    }
    return missing;
  }

  int64_t done() const { return done_; }

  ProposalList list(Problems& problems) {
    ProposalList list;
    for (auto& made : made_) {
      if (!made->error.empty()) {
        problems.warn("an image that cannot be decoded has no proposals", made->error);
      } else if (made->boxes.empty()) {
        problems.warn("an image without a proposal", dataset_.record(made->index).image.string());
      }
      list.images.push_back({.id = dataset_.record(made->index).id,
                             .boxes = std::move(made->boxes),
                             .scores = std::move(made->scores)});
    }
    return list;
  }

 private:
  const Dataset& dataset_;
  const MakeProposalsOptions& options_;
  std::vector<std::optional<MadeProposals>> made_;
  int64_t done_ = 0;
};

}  // namespace

ProposalMethod selective_search_method(const SearchWorkersOptions& options) {
  const auto& [mode, limit, min_side] = options.search;
  return {.description = {{"method", "selective_search"},
                          {"mode", options.search.word()},
                          {"limit", std::to_string(limit)},
                          {"min-side", std::to_string(min_side)},
                          {"seed", std::to_string(options.seed)}},
          .make = [options](const Dataset& dataset, const std::vector<int64_t>& indices, const auto& take,
                            const auto& stop) {
            SearchWorkers workers(SearchImages::of(dataset), options);
            workers.add(indices);
            while (auto searched = workers.next(stop)) {
              if (!take({.index = searched->index,
                         .boxes = std::move(searched->boxes),
                         .error = std::move(searched->error)}))
                return;
            }
          }};
}

std::optional<ProposalList> make_proposals(const Dataset& dataset, const ProposalMethod& method,
                                           const MakeProposalsOptions& options, Problems& problems) {
  Making making(dataset, options);
  std::optional<PartialProposals> partial;
  if (!options.partial.empty()) {
    auto description = method.description;
    description.emplace_back("data set", images_of(dataset));
    partial.emplace(options.partial, description, options.resume);
    for (auto& made : partial->take()) making.take(std::move(made));
  }
  const int64_t earlier = making.done();
  const auto missing = making.missing();
  bool stopped = false;
  const auto stop = [&] { return stopped = stopped || (options.stop && options.stop()); };
  if (!missing.empty()) {
    method.make(
        dataset, missing,
        [&](MadeProposals made) {
          if (partial && made.error.empty()) partial->add(made);
          making.take(std::move(made));
          if (options.on_progress) options.on_progress(making.done(), dataset.size(), earlier);
          return !stop();
        },
        stop);
  }
  if (making.done() < dataset.size()) return std::nullopt;
  return making.list(problems);
}

}  // namespace rcnn::data
