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
    kept_ += place || !made.error.empty() ? 0 : 1;
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

  /// Those of them that a partial file has.
  int64_t kept() const { return kept_; }

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
  int64_t done_ = 0, kept_ = 0;
};

/// Works, and where that fails says how many images the partial file keeps all the same.
template <class Work>
void saying_what_is_kept(const std::filesystem::path& partial, const std::function<int64_t()>& kept,
                         int64_t total, Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    const int64_t images = partial.empty() ? 0 : kept();
    if (images == 0) throw;
    const auto* const known = dynamic_cast<const Error*>(&error);
    const auto what = fmt::format("{}; {} of {} images are done and kept in {}: --resume goes on with them",
                                  known || !is_out_of_memory(error) ? error.what() : "memory ran out", images,
                                  total, partial.string());
    if (dynamic_cast<const DataError*>(&error)) throw DataError(what);
    if (dynamic_cast<const MemoryError*>(&error) || is_out_of_memory(error)) throw MemoryError(what);
    if (known) throw Error(what, known->exit_code());
    throw;
  }
}

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
    saying_what_is_kept(
        options.partial, [&] { return making.kept(); }, dataset.size(),
        [&] {
          if (partial) partial->sign();
          method.make(
              dataset, missing,
              [&](MadeProposals made) {
                if (partial && made.error.empty()) partial->add(made);
                making.take(std::move(made));
                if (options.on_progress) options.on_progress(making.done(), dataset.size(), earlier);
                return !stop();
              },
              stop);
        });
  }
  if (making.done() < dataset.size()) return std::nullopt;
  return making.list(problems);
}

std::filesystem::path partial_of(const std::filesystem::path& file) {
  return file.string() + ".partial";
}

std::optional<ProposalList> make_proposal_file(const Dataset& dataset, const ProposalMethod& method,
                                               const std::filesystem::path& file,
                                               MakeProposalsOptions options, Problems& problems) {
  options.partial = partial_of(file);
  for (int64_t i = 0; i < dataset.size(); ++i) check_proposal_id(file, dataset.record(i).id);
  auto list = make_proposals(dataset, method, options, problems);
  if (!list) return std::nullopt;
  const auto size = dataset.size();
  saying_what_is_kept(
      options.partial, [&] { return size; }, size, [&] { write_proposals(file, *list); });
  std::filesystem::remove(options.partial);
  return list;
}

}  // namespace rcnn::data
