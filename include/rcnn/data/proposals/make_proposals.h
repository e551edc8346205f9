#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/problems.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/data/proposals/search_workers.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// What a method found on one image.
struct MadeProposals {
  int64_t index = 0;               ///< of the image in its data set
  std::vector<Box> boxes = {};     ///< in the pixels of the image as it is stored, best first
  std::vector<float> scores = {};  ///< one a box, or none
  std::string error = {};          ///< what is wrong with the image, if anything; then there is nothing else
};

/// A way to make proposals.
struct ProposalMethod {
  /// Names and values, in words, of all that its proposals depend on beside the images.
  std::vector<std::pair<std::string, std::string>> description = {};
  /// Makes those of some images of a data set and hands each image over as it is done, in any order. Stops
  /// when `take` returns false, and soon after `stop` returns true.
  std::function<void(const Dataset& dataset, const std::vector<int64_t>& indices,
                     const std::function<bool(MadeProposals)>& take, const std::function<bool()>& stop)>
      make = {};
};

/// Selective Search by SearchWorkers.
RCNN_EXPORT ProposalMethod selective_search_method(const SearchWorkersOptions& options);

/// How make_proposals() goes about it.
struct MakeProposalsOptions {
  /// A file that keeps what is done, image by image, so that a process that ends early loses nothing; none
  /// when empty.
  std::filesystem::path partial = {};
  bool resume = false;               ///< goes on with what `partial` has
  Policy bad_images = Policy::stop;  ///< images that cannot be decoded; skip: they have no proposals
  std::function<bool()> stop = {};   ///< asked now and then; true ends it
  /// Called after each image; `earlier` of the `done` are those of an earlier process.
  std::function<void(int64_t done, int64_t total, int64_t earlier)> on_progress = {};
};

/// The proposals of all images of a data set, in its order, each with its id: the same whether or not they
/// were made in one go. None when `stop` ended it; what was made is in `partial` then. An image that is left
/// out, and one without a proposal, is a warning in `problems` and has no boxes.
///
/// Throws ConfigError for a `partial` that has images without `resume`, that is of other images or was made
/// in another way, and that another process writes to, which it names; DataError for what is no such file,
/// for an image that cannot be decoded under Policy::stop, and where the disk refuses; and what the method
/// throws, such as Error for a worker process that was killed. What comes after an image was done says how
/// many `partial` keeps. A record that a killed process left cut off is made again.
RCNN_EXPORT std::optional<ProposalList> make_proposals(const Dataset& dataset, const ProposalMethod& method,
                                                       const MakeProposalsOptions& options,
                                                       Problems& problems);

/// Where make_proposal_file() keeps what is done: FILE.partial.
RCNN_EXPORT std::filesystem::path partial_of(const std::filesystem::path& file);

/// The same as a file, see write_proposals(): what is done is in partial_of(file), instead of
/// options.partial, until the file is there. Returns what it holds, or nothing when it was stopped.
RCNN_EXPORT std::optional<ProposalList> make_proposal_file(const Dataset& dataset,
                                                           const ProposalMethod& method,
                                                           const std::filesystem::path& file,
                                                           MakeProposalsOptions options, Problems& problems);

}  // namespace rcnn::data
